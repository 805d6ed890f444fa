#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/pipeline/plan.h"
#include "operator/controller/kafka_state.h"
#include "operator/topics/decide.h"
#include "operator/topics/lag.h"

// What is known of the pipelines whose topics are looked after, and what is wanted of them.
//
// Threads: plain data; Registry says what guards it.
namespace levada::topics {

// A pipeline on a cluster. There may be thousands, at rest nearly always: a compiled plan is
// kept only for those that are about to be looked at.
struct Tracked {
  struct Stage {
    std::string name;
    Watched reads;
  };

  kube::ObjectKey key;
  std::string fingerprint;  // of all that a decision is made of
  std::string brokers;
  std::string manifest;                        // v1.Pipeline, serialized
  std::shared_ptr<const pipeline::Plan> plan;  // of the manifest, or null; ask PlanOf
  std::vector<std::string> topics;             // of the plan
  std::vector<Stage> stages;                   // that read topics
  bool scales = false;                         // some stage has `autoscaling`
  std::set<std::string> managed;
  std::map<std::string, int> accepted;
  bool hold = false;  // only its lag is read
  bool dirty = true;
  std::chrono::steady_clock::time_point checked_at;
  std::set<std::string> claimed;      // topics that it is about to make
  controller::PipelineInKafka known;  // without the rows
  std::string rows = "[]";            // as JSON text
  std::chrono::steady_clock::time_point shown_at;
  bool deleting = false;
  std::optional<absl::Status> deleted;
  const void* cluster = nullptr;  // that looks after it

  // A new plan; the rest is as it was.
  void Take(const pipeline::Plan& wanted);
  std::shared_ptr<const pipeline::Plan> PlanOf() const;
};

// All pipelines, whichever cluster they are on. Guarded by its mutex.
struct Registry {
  std::mutex mutex;
  std::map<kube::ObjectKey, Tracked> pipelines;
};

// status.topics of the rows.
kube::Json RowsJson(const std::vector<Row>& rows);
std::string TextOf(const kube::Json& rows);

}  // namespace levada::topics
