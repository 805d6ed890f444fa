#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "core/base/random.h"

// How long to wait before the next attempt: exponential, with full jitter, so that many clients of
// one server do not come back at once.
//
//   Backoff backoff(100ms, 30s);
//   while (!Try()) sleep(backoff.Next());
//   backoff.Reset();
//
// Not thread-safe.
namespace levada::base {

class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest,
          uint64_t seed = RandomSeed())
      : first_(first), longest_(longest), random_(seed) {}

  // Between 1 ms and `first` at the first call; the upper end doubles with each call until it is
  // `longest`.
  std::chrono::milliseconds Next() {
    const auto cap = std::max(std::min(first_ * (int64_t{1} << doublings_), longest_),
                              std::chrono::milliseconds(1));
    if (cap < longest_) ++doublings_;
    ++attempts_;
    return std::chrono::milliseconds(
        1 + static_cast<int64_t>(random_.Below(static_cast<uint64_t>(cap.count()))));
  }

  // After a success.
  void Reset() {
    doublings_ = 0;
    attempts_ = 0;
  }

  int attempts() const { return attempts_; }  // calls of Next since the last Reset

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds longest_;
  int doublings_ = 0;
  int attempts_ = 0;
  Random random_;
};

}  // namespace levada::base
