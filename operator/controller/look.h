#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "operator/controller/check.h"
#include "operator/controller/cluster.h"
#include "operator/controller/gate.h"
#include "operator/controller/kafka_state.h"
#include "operator/controller/scaling.h"
#include "operator/controller/status.h"
#include "operator/controller/workers.h"
#include "operator/controller/write.h"
#include "operator/kube/client.h"
#include "operator/kube/events.h"
#include "operator/render/inputs.h"
#include "operator/render/settings.h"

// One look at one pipeline: gather, decide, write.
//
//   Look look({client, cluster, kafka, workers, checks, events, settings});
//   const Seen seen = look.At(key);
//   if (!seen.status.ok()) queue.AddRateLimited(key);
//
// Threads: any; one call a pipeline at a time.
namespace levada::controller {

struct Seen {
  absl::Status status;  // not OK: look again
  bool gone = false;
  bool valid = true;
  std::string phase;
  std::optional<kube::Clock::Duration> again;  // look again after so long at the latest
};

class Look {
 public:
  struct World {
    kube::Client& client;
    Cluster& cluster;
    KafkaState& kafka;
    const Workers& workers;
    Checks& checks;
    Scaling& scaling;
    kube::EventRecorder& events;
    const render::Settings& settings;
    kube::Clock& clock;
  };

  explicit Look(const World& world)
      : world_(world), gate_(world.client, world.cluster, world.clock) {}

  Seen At(const kube::ObjectKey& key);

 private:
  Seen Keep(const kube::Json& pipeline);
  Seen End(const kube::Json& pipeline);
  // Deletes the topics; what is left of them when it gives up is told. Not OK: not done yet.
  absl::Status EndTopics(const kube::Json& pipeline, Seen* seen);
  kube::Clock::Time EndingSince(const kube::Json& pipeline);
  // Writes what the plan wants; what became of it goes into `facts`. What its tests hold is not
  // changed, but for the replicas of what runs.
  absl::Status CarryOut(const kube::Json& pipeline, const Checked& checked, render::Facts wanted,
                        const PipelineInKafka& kafka, Facts* facts);
  // Render and Write, unless nothing has changed since they had nothing to do.
  Written Make(const kube::Json& pipeline, const Checked& checked, const render::Facts& facts,
               const render::Tests& tests, const std::map<std::string, kube::Json>& deployments,
               std::vector<kube::Json>* wanted);
  absl::Status SetFinalizer(const kube::Json& pipeline, bool wanted);
  absl::Status WriteStatus(const kube::Json& pipeline, const Facts& facts, std::string* phase);
  absl::Status ApplyStatus(const kube::Json& pipeline, kube::Json status);

  const World world_;
  Gate gate_;
  std::mutex mutex_;
  // Pipelines that this process ends: uid, and since when.
  std::map<kube::ObjectKey, std::pair<std::string, kube::Clock::Time>> ending_;
  // What the objects were last decided from (a hash), where all of them were as wanted.
  std::map<kube::ObjectKey, uint64_t> clean_;
};

}  // namespace levada::controller
