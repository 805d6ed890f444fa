#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "levada/v1/pipeline.pb.h"
#include "operator/kube/object.h"

// What rendering depends on beside the pipeline: how the operator is installed, and what is the
// case in the cluster.
//
//   Settings settings;
//   settings.image = "registry.example.com/levada:0.1.0";
//   settings.operator_namespace = "levada-system";
//
// Threads: plain data.
namespace levada::render {

// A Kafka that pipelines share. Its Secret is that of each pipeline's own namespace; its
// certificates are public, and each pipeline gets a copy.
struct SharedKafka {
  v1::KafkaConnection connection;
  std::string ca;  // PEM; empty: the authorities of the image
};

// How the operator is installed; the same for all pipelines. operator/settings reads most of it.
struct Settings {
  std::string image = "levada";               // has the programs of all kinds of stages
  std::map<std::string, std::string> images;  // by kind ("scoring"), where one has its own
  std::string image_pull_policy;              // empty: the cluster's default
  kube::Json image_pull_secrets = kube::Json::array();  // [{name: …}]
  v1::Resources resources;       // of stages that say nothing about `resources`
  v1::Resources test_resources;  // of pods that run tests; empty: a default
  std::string log_level;         // empty: the workers' own

  std::optional<SharedKafka> kafka;  // of pipelines that have no connection `kafka`

  // What the workers listen on: "::" where pods have IPv6 addresses only.
  std::string listen = "0.0.0.0";
  // User and group that the workers run as. 0: the image's user, and the platform's choice of a
  // group for volumes (OpenShift).
  int64_t user_id = 65532;

  bool network_policies = true;
  // Who may call the workers' control port: pods with these labels in this namespace.
  std::string operator_namespace = "levada-system";
  kube::Json operator_labels = {{"app.kubernetes.io/name", "levada-operator"}};
  // Who may read metrics: peers as a NetworkPolicy has them; everybody where there are none.
  kube::Json metrics_from = kube::Json::array();

  bool pod_monitors = true;
  bool alerts = true;
  // Labels by which Prometheus finds its PodMonitors and PrometheusRules, `release: prometheus`.
  kube::Json monitor_labels = kube::Json::object();
  std::string scrape_interval;  // empty: Prometheus' own
  bool dashboards = true;
  // Labels and annotations by which Grafana's side-car finds dashboards.
  kube::Json dashboard_labels = {{"grafana_dashboard", "1"}};
  kube::Json dashboard_annotations = {{"grafana_folder", "Levada"}};
};

// A Secret or ConfigMap of the pipeline's namespace that somebody else made.
struct Input {
  enum class Kind { kSecret, kConfigMap };
  Kind kind = Kind::kSecret;
  std::string name;

  auto operator<=>(const Input&) const = default;
};

// What is the case in the cluster.
struct Facts {
  // Replicas by stage, as decided. A stage that is not here has those of the manifest; without
  // those, whoever scales the Deployment decides and the field is left out. A stage with
  // `autoscaling` must be here: leaving the field out after it was set means one replica.
  std::map<std::string, int> replicas;
  // What changes when the Secret or ConfigMap does; those that do not exist are not here.
  std::map<Input, std::string> versions;
  bool has_pod_monitors = false;  // the CRDs are there
  bool has_prometheus_rules = false;
};

}  // namespace levada::render
