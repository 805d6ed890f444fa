#pragma once

#include <atomic>
#include <chrono>

#include "operator/kube/clock.h"

// A clock that stands still until a test moves it.
//
//   FakeClock clock;
//   WorkQueue queue({.clock = &clock});
//   queue.AddAfter("a", 10s);
//   clock.Advance(10s);                                  // "a" is due
//
// Threads: any. Who waits sees a new time within a millisecond.
namespace levada::kube {

class FakeClock : public Clock {
 public:
  Time Now() override { return Time(std::chrono::nanoseconds(nanos_.load())); }
  int64_t WallMicros() override { return 1'709'294'400'000'000 + nanos_.load() / 1000; }

  bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Time until,
                 const std::function<bool()>& done) override {
    while (!done()) {
      if (Now() >= until) return done();
      changed.wait_for(lock, std::chrono::milliseconds(1));
    }
    return true;
  }

  void Advance(Duration by) { nanos_ += std::chrono::nanoseconds(by).count(); }

 private:
  std::atomic<int64_t> nanos_ = 0;
};

}  // namespace levada::kube
