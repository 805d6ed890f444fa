#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

// Time, such that a test can move it (testing/fake_clock.h).
//
//   if (!clock.WaitUntil(lock, changed, deadline, [&] { return stopped_; })) ... // the time came
//
// Threads: any.
namespace levada::kube {

class Clock {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  virtual ~Clock() = default;

  virtual Time Now() = 0;            // only goes forward; for spans of time
  virtual int64_t WallMicros() = 0;  // since 1970 UTC; for what others read

  // Waits, like condition_variable::wait_until, until `done` or the time; the last value of `done`.
  // Who makes `done` true notifies `changed`.
  virtual bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                         Time until, const std::function<bool()>& done) = 0;
};

Clock& RealClock();

}  // namespace levada::kube
