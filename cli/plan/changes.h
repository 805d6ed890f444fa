#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/target/cluster.h"
#include "core/kafka/topics.h"
#include "core/pipeline/plan.h"
#include "operator/controller/cluster.h"
#include "operator/kube/transport.h"

// What applying a manifest to a cluster would do, found by the operator's own code: the API server
// is asked what it would store (a dry run), of that the operator's objects are rendered and its
// topics decided, and its writer writes the difference to a transport that keeps requests in place
// of sending them. Nothing is changed.
//
//   auto changes = PlanOnCluster(cluster, manifest, {});
//   std::cout << ToText(*changes);
//
// Threads: one.
namespace levada::cli {

enum class Action { kNone, kCreate, kChange, kDelete };

struct ObjectChange {
  Action action = Action::kNone;
  std::string kind;
  std::string name;
  std::vector<std::string> differences;  // "spec.replicas: 2 -> 3"
};

struct StageChange {
  std::string name;
  Action action = Action::kNone;
  bool rolls = false;  // its workers are replaced
  std::vector<std::string> reasons;
  std::vector<std::string> slice;  // lines of its slice: "- filter: a > 1", "+ filter: a > 2"
};

struct ClusterChanges {
  std::string pipeline;  // namespace/name
  std::string cluster;
  std::string installation;  // where the operator's settings are from
  bool is_new = false;
  std::vector<StageChange> stages;
  std::vector<ObjectChange> objects;
  std::string kafka;  // brokers
  size_t topics = 0;
  std::vector<kafka::TopicChange> topic_changes;
  // What the operator would refuse, and what it would say: not a reason not to apply.
  std::vector<std::string> refused;
  // What could not be looked at, and what was assumed.
  std::vector<std::string> notes;

  bool any() const;
};

struct PlanOptions {
  std::string brokers;  // as Kafka is reached from here; empty: as the pipeline says
};

// kInvalidArgument: the API server or the operator refuses the manifest.
absl::StatusOr<ClusterChanges> PlanOnCluster(const Cluster& cluster, const kube::Json& manifest,
                                             const PlanOptions& options);

std::string ToText(const ClusterChanges& changes);
nlohmann::json ToJson(const ClusterChanges& changes);

// The parts of it, for each other and tests.

// The Pipeline as the API server would have it after `kubectl apply`.
absl::StatusOr<kube::Json> AfterApply(const Cluster& cluster, const kube::Json* live,
                                      const kube::Json& manifest, std::vector<std::string>* notes);
// The JSON merge patch of kubectl's client-side apply: what is in `manifest`, without what was in
// `last` and is no more. Pure.
kube::Json ThreeWayPatch(const kube::Json& last, const kube::Json& manifest);

// Adds topic_changes, refused, kafka and notes.
void PlanTopics(const Cluster& cluster, const render::Settings& settings,
                const kube::Json& pipeline, const pipeline::Plan& plan, const PlanOptions& options,
                ClusterChanges* changes);

// Reads pass through, writes are kept and answered as if they had been done.
class KeepingTransport : public kube::Transport {
 public:
  struct Write {
    std::string method;
    std::string path;
    kube::Json body;
  };
  explicit KeepingTransport(std::shared_ptr<kube::Transport> real) : real_(std::move(real)) {}

  absl::StatusOr<http::Response> Send(const http::Request& request) override;
  absl::StatusOr<http::Response> Stream(const http::Request& request,
                                        std::chrono::milliseconds idle, const http::OnLine& on_line,
                                        std::stop_token stop) override;
  const std::vector<Write>& writes() const { return writes_; }

 private:
  const std::shared_ptr<kube::Transport> real_;
  std::vector<Write> writes_;
};

}  // namespace levada::cli
