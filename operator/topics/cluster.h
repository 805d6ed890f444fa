#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/kafka/admin.h"
#include "operator/topics/decide.h"
#include "operator/topics/lag.h"
#include "operator/topics/tracked.h"

// One Kafka cluster as one set of credentials reaches it: a thread and connections of its own, so
// that one that hangs holds up nobody else. All pipelines share it: what is asked of Kafka is asked
// for all of them at once.
//
// Threads: any; it calls back from its own thread, without locks.
namespace levada::topics {

struct Timing {
  std::chrono::milliseconds call_timeout{10'000};   // of a request to Kafka
  std::chrono::milliseconds lag_every{5'000};       // between two readings of the lag
  std::chrono::milliseconds show_every{15'000};     // between two lags of a pipeline in its status
  std::chrono::milliseconds check_every{300'000};   // between two looks at a topic at rest
  std::chrono::milliseconds retry_longest{30'000};  // after a failure; begins with a second
};

class Cluster {
 public:
  using OnChange = std::function<void(const kube::ObjectKey& pipeline)>;

  Cluster(kafka::ClientConfig config, Timing timing, Registry& registry, OnChange on_change);
  ~Cluster();  // after the request that is under way

  void Wake();      // with or without the registry's mutex
  void StopSoon();  // makes the destructor quicker
  bool Ended();     // the destructor does not wait

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  bool WaitForWork(Clock::time_point next_lag);  // false: stopped
  absl::Status Work();
  absl::Status Look(const std::vector<Tracked>& dirty);
  void Carry(const Tracked& pipeline, const std::map<std::string, kafka::TopicState>& live);
  void LeaveAlone(const Tracked& pipeline);
  absl::Status ReadLag();
  bool TakeLag(Tracked* tracked);
  bool Apply(const kube::ObjectKey& pipeline, Decision* decision);
  bool Make(const kube::ObjectKey& pipeline, const std::vector<kafka::NewTopic>& topics,
            Decision* decision);
  void DeleteOne(const Tracked& pipeline);
  void Failed(const absl::Status& status);
  absl::Status Connect();
  std::vector<Tracked> Mine(const std::function<bool(const Tracked&)>& which);
  std::map<std::string, Owner> OwnersBeside(const Tracked& pipeline);
  bool Publish(const Tracked& pipeline, const std::function<void(Tracked&)>& change);

  const kafka::ClientConfig config_;
  const Timing timing_;
  Registry& registry_;
  const OnChange on_change_;
  LagReader lag_;
  std::unique_ptr<kafka::Admin> admin_;
  // Topics that it has asked Kafka to make, for whom, and has not seen since: one that is there
  // already when it is asked for the first time is somebody else's.
  std::set<std::pair<kube::ObjectKey, std::string>> asked_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool work_ = false;
  bool stopped_ = false;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace levada::topics
