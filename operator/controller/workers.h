#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "operator/kube/object.h"

// What the workers of all pipelines say of themselves (GET /status on their port `metrics`), and
// what keeps their pods from running. Asked beside the controller: nobody waits for it.
//
//   Workers workers({});
//   pods.AddHandler({.on_change = [&](const Json* before, const Json* after) {
//     workers.Follow(before, after);
//   }});
//   workers.Start([&](const kube::ObjectKey& pipeline) { queue.Add(pipeline.ToText()); });
//   const Reported detect = workers.Of(kube::KeyOf(pipeline), "detect");
//
// A worker is asked soon after its pod has changed, then every `every`, every `soon` while it is
// not ready. One that does not answer is asked less and less often; all that are asked at the same
// time share one thread. Never more than `per_second` are asked in a second: of more workers each
// is asked less often. What is told of a pipeline is told at most once in `quiet`.
//
// Threads: any; the callback comes from a thread of its own, without locks.
namespace levada::controller {

// Of a stage: the sums, the newest error and the longest latency of the workers that have answered.
struct Reported {
  bool known = false;  // one has answered
  int64_t errors = 0;
  int64_t dead_letters = 0;
  int64_t late_events = 0;
  std::string last_error;
  int64_t last_error_micros = 0;  // since 1970
  double p50_ms = -1;             // from an event's arrival to its result; -1: no event of late
  double p99_ms = -1;
  std::string waiting;  // why a pod is not ready: "orders-large-x: image: …"; of the first

  bool operator==(const Reported&) const = default;
};

class Workers {
 public:
  struct Options {
    std::chrono::milliseconds every{30'000};
    std::chrono::milliseconds soon{5'000};
    std::chrono::milliseconds longest{300'000};  // between two tries of one that does not answer
    std::chrono::milliseconds quiet{10'000};
    std::chrono::milliseconds timeout{2'000};
    int per_second = 20;
  };
  using OnChange = std::function<void(const kube::ObjectKey& pipeline)>;

  explicit Workers(Options options);
  ~Workers();  // stops

  void Start(OnChange on_change);
  void Stop();  // no callback after it returns

  // A pod as an informer tells it; other pods than those of stages are passed over.
  void Follow(const kube::Json* before, const kube::Json* after);
  // What Follow reads of a pod, for an informer's transform: the rest need not be kept.
  static void KeepOfPod(kube::Json* pod);

  Reported Of(const kube::ObjectKey& pipeline, const std::string& stage) const;

 private:
  class Poll;
  std::unique_ptr<Poll> poll_;
};

}  // namespace levada::controller
