#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "services/ingest/results.h"

// Remembers the answers to requests with an idempotency key, so that a repeated request is answered
// as before and writes nothing. The memory of this process only, bounded; the least recently used
// answers go first.
//
//   Claim claim = replays.Begin(key, hash, now, [](const auto& results) { ... });
//   if (claim.kind == Claim::Kind::kNew) ... replays.End(key, results, true);
//
// A request that Kafka took only in part is remembered as well: when it comes again only the rest
// is written.
//
// Thread-safety: all methods may be called from several threads.
namespace levada::ingest {

// The end of a request: its results, or none where it was refused as a whole.
using Waiter = std::function<void(const std::vector<EventResult>* results)>;

struct Claim {
  enum class Kind : uint8_t {
    kNew,       // go on, then call End
    kResume,    // go on with what is kUnavailable in `results`, then call End
    kDone,      // `results` is the answer
    kWaiting,   // the same request is under way: the waiter hears its end
    kConflict,  // the key was used with another body
    kFull,      // no room for one more request under way
  };
  Kind kind = Kind::kNew;
  std::vector<EventResult> results;
};

class Replays {
 public:
  using Clock = std::chrono::steady_clock;

  struct Limits {
    size_t keys = 100'000;
    size_t bytes = 16 << 20;
    std::chrono::seconds age{std::chrono::hours(24)};
  };

  Replays() : Replays(Limits()) {}
  explicit Replays(const Limits& limits) : limits_(limits) {}

  // `waiter` is kept only with kWaiting.
  Claim Begin(std::string_view key, uint64_t body_hash, Clock::time_point now, Waiter waiter);
  // Ends what Begin let go on and calls the waiters. `results` null: refused as a whole, nothing
  // is remembered beyond what was.
  void End(std::string_view key, const std::vector<EventResult>* results, Clock::time_point now);

  size_t size() const;

 private:
  struct Entry {
    std::string key;
    uint64_t body_hash = 0;
    bool under_way = true;
    Clock::time_point ended;
    PackedResults results;
    size_t bytes = 0;
    std::vector<Waiter> waiters;
  };
  using Order = std::list<Entry>;

  void Shrink(Clock::time_point now);
  void Remove(Order::iterator entry);

  const Limits limits_;
  mutable std::mutex mutex_;
  Order order_;                                                    // most recently used first
  std::unordered_map<std::string_view, Order::iterator> entries_;  // keys in order_
  size_t bytes_ = 0;
};

}  // namespace levada::ingest
