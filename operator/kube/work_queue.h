#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/random.h"
#include "operator/kube/clock.h"
#include "operator/kube/probe.h"

// Keys of what is to be looked at, for any number of workers.
//
//   while (std::optional<std::string> key = queue.Get()) {
//     const Outcome outcome = Reconcile(*key);
//     if (outcome.failed) queue.AddRateLimited(*key);      // again, later each time
//     else queue.Forget(*key);
//     if (outcome.look_again) queue.AddAfter(*key, *outcome.look_again);
//     queue.Done(*key);
//   }
//
// A key is in the queue at most once, and never with two workers at once: one that is added while
// it is being worked on comes again after Done. Keys are taken in the order in which they came due;
// those added with kLow (a resync, the first list) give way, but every fourth is one of them, and
// at most `most_low` of them are worked on at once: they leave a worker to the others. A key that
// fails waits longer each time, on its own: it delays no other.
//
// Threads: any.
namespace levada::kube {

class WorkQueue {
 public:
  enum class Urgency { kNormal, kLow };

  struct Options {
    std::string name = "queue";  // for the probe
    std::chrono::milliseconds first_retry{50};
    std::chrono::milliseconds longest_retry{300'000};
    // A retry waits up to so much of its time longer, so that what failed together does not come
    // back together.
    double jitter = 0.25;
    size_t most_low = std::numeric_limits<size_t>::max();
    uint64_t seed = base::RandomSeed();
    Clock* clock = &RealClock();
    Probe* probe = &NoProbe();
  };

  explicit WorkQueue(Options options);

  void Add(std::string_view key, Urgency urgency = Urgency::kNormal);
  // Of several times for one key the earliest counts; an Add meanwhile does not take it away.
  void AddAfter(std::string_view key, Clock::Duration delay);
  // After first_retry, then twice as long with each call until Forget.
  void AddRateLimited(std::string_view key);
  void Forget(std::string_view key);
  int Retries(std::string_view key) const;  // AddRateLimited since the last Forget

  // Waits for a key. nullopt: the queue is shut down and empty.
  std::optional<std::string> Get();
  // The key that Get gave has been worked on.
  void Done(std::string_view key);

  // Nothing is added from now on, and what waits for its time is dropped; Get gives out what is
  // due, then nullopt.
  void ShutDown();
  // ShutDown, and wait until every key is done: false if not within `limit`.
  bool Drain(std::chrono::milliseconds limit);

  size_t depth() const;  // due and not taken

 private:
  struct Item {
    bool queued = false;
    bool working = false;
    bool low = false;    // it was taken as a low one
    bool again = false;  // added while it was worked on
    Urgency urgency = Urgency::kNormal;
    Clock::Time due;      // when it was queued, or is to be
    Clock::Time started;  // when it was taken
    std::optional<Clock::Time> later;
    int retries = 0;
  };
  using Items = std::unordered_map<std::string, Item>;

  void Enqueue(const std::string& key, Item& item, Urgency urgency);
  void Schedule(const std::string& key, Item& item, Clock::Time time);
  void PromoteDue();
  bool HasDue() const;
  std::string Take();
  void DropIfIdle(Items::iterator at);

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Items items_;
  std::deque<std::string> normal_;
  std::deque<std::string> low_;
  std::multimap<Clock::Time, std::string> later_;
  int since_low_ = 0;
  size_t working_ = 0;
  size_t low_working_ = 0;
  bool shut_down_ = false;
  base::Random random_;
};

}  // namespace levada::kube
