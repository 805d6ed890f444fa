#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/pipeline/plan.h"
#include "operator/autoscale/decide.h"
#include "operator/kube/conditions.h"
#include "operator/kube/object.h"

// What Kafka has to do with a pipeline: its topics are made and kept as the plan wants them, and
// what its stages have still to read is known. All of it happens beside the controller, which
// never waits for Kafka: it asks what is known, and is told when that changes.
//
//   kafka.Start([&](const kube::ObjectKey& pipeline) { queue.Add(pipeline.ToText()); });
//   const PipelineInKafka known = kafka.Want({pipeline, checked});
//   status["topics"] = known.rows;
//
// Threads: any.
namespace levada::controller {

struct StageLoad {
  std::vector<autoscale::PartitionLoad> partitions;
  double events_per_second = -1;  // -1: not known yet
  // The same for people: kept while they differ by little, so that a status is not written for it.
  int64_t shown_lag = -1;
  double shown_events_per_second = -1;
};

struct PipelineInKafka {
  kube::Json rows = kube::Json::array();  // status.topics
  kube::Condition ready{.status = "Unknown", .reason = "Pending", .message = "Kafka is asked"};
  std::map<std::string, StageLoad> stages;  // those that are known
  bool ask_again = false;  // how Kafka is reached could not be read now, and nobody will call back
};

class KafkaState {
 public:
  struct Wanted {
    const kube::Json& pipeline;  // live
    const pipeline::Plan& plan;
    // Changes when a Secret or ConfigMap of the pipeline does: how Kafka is reached is found out
    // again then, and only then.
    std::string inputs = {};
    // Nothing is made or changed: what is known stays as it was, but for what is read and not yet
    // handled.
    bool hold = false;
  };
  using OnChange = std::function<void(const kube::ObjectKey& pipeline)>;

  virtual ~KafkaState() = default;

  virtual void Start(OnChange on_change) = 0;
  virtual void Stop() = 0;  // no callback after it returns
  // From now on the topics are to be so, unless they are held; what is known of them. Does not
  // block.
  virtual PipelineInKafka Want(const Wanted& wanted) = 0;
  // The pipeline is gone: its topics are left alone.
  virtual void Forget(const kube::ObjectKey& pipeline) = 0;
  // Deletes the topics that the pipeline manages and its consumer groups. nullopt: under way (the
  // callback tells when to ask again); an error says what is left.
  virtual std::optional<absl::Status> Delete(const Wanted& wanted) = 0;
};

}  // namespace levada::controller
