#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/target/target.h"
#include "operator/kube/client.h"
#include "operator/render/settings.h"

// A pipeline on a cluster: its Pipeline resource, with the status that the operator writes, and its
// pods.
//
// Threads: one.
namespace levada::cli {

// A cluster, by a context of a kubeconfig.
struct Cluster {
  std::shared_ptr<kube::Transport> transport;
  std::shared_ptr<kube::Client> client;
  std::string name;        // "cluster kind-levada"
  std::string name_space;  // of the context, or as asked for
};

struct Where;
// Without a request.
absl::StatusOr<Cluster> Connect(const Where& where);

class ClusterTarget : public Target {
 public:
  // `pipeline` as it has just been read: the first View takes it.
  ClusterTarget(Cluster cluster, kube::Json pipeline)
      : cluster_(std::move(cluster)), key_(kube::KeyOf(pipeline)), read_(std::move(pipeline)) {}

  std::string Where() const override { return cluster_.name; }
  absl::StatusOr<PipelineView> View() override;
  absl::StatusOr<std::string> SetPaused(bool paused, const std::string& stage) override;
  absl::Status Logs(const LogOptions& options, const std::function<void(const LogLine&)>& each,
                    std::stop_token stop) override;
  absl::StatusOr<OnKafka> Kafka(const std::string& brokers) override;

 private:
  Cluster cluster_;
  const kube::ObjectKey key_;
  std::optional<kube::Json> read_;
};

// What a Pipeline says of itself. Pure.
PipelineView ViewOf(const kube::Json& pipeline, const std::string& where);

// With what to do about it, where that is known: not allowed, no such kind.
absl::Status Explained(const absl::Status& status, const std::string& name_space);

// Lines of the pods of a pipeline (pod_logs.cc).
absl::Status PodLogs(kube::Client& client, const kube::ObjectKey& pipeline,
                     const LogOptions& options, const std::function<void(const LogLine&)>& each,
                     std::stop_token stop);

}  // namespace levada::cli
