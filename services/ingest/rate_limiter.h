#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>

// Lets through `rate` events a second, with one second's worth at once.
//
//   RateLimiter limiter(5000);
//   auto wait = limiter.Take(batch.size(), RateLimiter::Clock::now());
//   if (wait > 0s) Refuse(wait);
//
// A batch is let through whole as soon as anything is left, and what it takes too much is missing
// afterwards: batches larger than a second's worth are possible and the rate still holds.
//
// Thread-safety: Take may be called from several threads.
namespace levada::ingest {

class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  // 0: no limit.
  explicit RateLimiter(double rate) : rate_(rate), tokens_(Burst()) {}

  // 0 s: taken. Else how long to wait until it is worth asking again, at least a second: the unit
  // of Retry-After.
  std::chrono::seconds Take(size_t events, Clock::time_point now) {
    if (rate_ <= 0) return std::chrono::seconds(0);
    std::lock_guard lock(mutex_);
    const std::chrono::duration<double> passed = now - last_;
    tokens_ = std::min(Burst(), tokens_ + passed.count() * rate_);
    last_ = now;
    if (tokens_ <= 0) {
      return std::chrono::seconds(1 + static_cast<int64_t>(std::min(-tokens_ / rate_, 3600.0)));
    }
    tokens_ -= static_cast<double>(events);
    return std::chrono::seconds(0);
  }

 private:
  double Burst() const { return std::max(rate_, 1.0); }

  const double rate_;
  std::mutex mutex_;
  double tokens_;
  Clock::time_point last_ = Clock::now();
};

}  // namespace levada::ingest
