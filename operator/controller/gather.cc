#include "operator/controller/gather.h"

#include "core/base/strings.h"
#include "operator/render/inputs.h"
#include "operator/render/names.h"

namespace levada::controller {
namespace {

using kube::Json;
using kube::ObjectKey;

// Of the Secrets and ConfigMaps that the pipeline refers to, those that are there.
std::map<render::Input, std::string> VersionsOf(const Cluster& cluster, const ObjectKey& key,
                                                const pipeline::Plan& plan) {
  std::map<render::Input, std::string> versions;
  for (const render::Input& input : render::InputsOf(plan)) {
    const ObjectKey object{key.name_space, input.name};
    std::string version = input.kind == render::Input::Kind::kSecret
                              ? cluster.SecretVersion(object)
                              : cluster.ConfigMapVersion(object);
    if (!version.empty()) versions[input] = std::move(version);
  }
  return versions;
}

}  // namespace

Cluster::References ReferencesOf(const pipeline::Plan& plan) {
  Cluster::References references;
  for (const render::Input& input : render::InputsOf(plan)) {
    (input.kind == render::Input::Kind::kSecret ? references.secrets : references.config_maps)
        .insert(input.name);
  }
  return references;
}

KafkaState::Wanted WantedOf(const Cluster& cluster, const Json& pipeline,
                            const pipeline::Plan& plan, bool hold) {
  std::string inputs;
  for (const auto& [input, version] : VersionsOf(cluster, kube::KeyOf(pipeline), plan)) {
    base::StrAppend(&inputs, static_cast<int>(input.kind), "/", input.name, "=", version, "\n");
  }
  return {pipeline, plan, std::move(inputs), hold};
}

render::Facts RenderFactsOf(const Cluster& cluster, const ObjectKey& key,
                            const pipeline::Plan& plan) {
  render::Facts facts;
  facts.versions = VersionsOf(cluster, key, plan);
  facts.has_pod_monitors = cluster.Knows(kube::kPodMonitors);
  facts.has_prometheus_rules = cluster.Knows(kube::kPrometheusRules);
  return facts;
}

std::map<std::string, Json> DeploymentsOf(const Cluster& cluster, const Json& pipeline) {
  std::map<std::string, Json> deployments;
  for (Json& deployment : cluster.OwnedBy(pipeline, kube::kDeployments)) {
    if (kube::ControllerUidOf(deployment) != kube::UidOf(pipeline)) continue;
    // First, since an assignment evaluates its right side first, which leaves no label.
    const std::string stage = kube::LabelOf(deployment, render::kStageLabel);
    deployments[stage] = std::move(deployment);
  }
  return deployments;
}

}  // namespace levada::controller
