#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>

// At most `limit` sends within any span of `per`, wherever the span begins.
//
//   Throttle throttle(10, std::chrono::minutes(1));
//   if (throttle.NextSlot(now) <= now) { throttle.Take(now); Send(); }
//
// Of one worker: each of several has a limit of its own. Forgotten at a restart.
// Threads: one.
namespace levada::notify {

class Throttle {
 public:
  using Time = std::chrono::steady_clock::time_point;

  Throttle() = default;  // no limit
  Throttle(uint32_t limit, std::chrono::milliseconds per) : limit_(limit), per_(per) {}

  // The earliest time, not before `now`, at which one more may be sent.
  Time NextSlot(Time now) const {
    if (limit_ == 0 || taken_.size() < limit_) return now;
    return std::max(now, taken_[taken_.size() - limit_] + per_);
  }

  void Take(Time now) {
    if (limit_ == 0) return;
    while (!taken_.empty() && taken_.front() + per_ <= now) taken_.pop_front();
    taken_.push_back(now);
  }
  // The last one taken was not sent after all.
  void GiveBack() {
    if (!taken_.empty()) taken_.pop_back();
  }

 private:
  uint32_t limit_ = 0;
  std::chrono::milliseconds per_{0};
  std::deque<Time> taken_;  // oldest first
};

}  // namespace levada::notify
