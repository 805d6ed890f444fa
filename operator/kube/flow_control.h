#pragma once

#include <condition_variable>
#include <mutex>

#include "operator/kube/clock.h"

// A token bucket: `rate` requests a second, `burst` of them at once.
//
//   const Clock::Duration waited = flow.Acquire(FlowControl::Priority::kNormal);
//
// A high request never waits: it takes its token in advance, so that the others wait for it. A
// process that has too much to do must not lose its lease over it.
//
// Threads: any. Waiting requests are served in the order of their calls.
namespace levada::kube {

class FlowControl {
 public:
  enum class Priority { kNormal, kHigh };

  FlowControl(double rate, int burst, Clock* clock);

  // Returns how long it has waited.
  Clock::Duration Acquire(Priority priority);
  // Nobody gets a token before then: the server has asked for it.
  void HoldUntil(Clock::Time time);

 private:
  const Clock::Duration interval_;  // between two tokens
  const Clock::Duration credit_;    // what a rest can save up
  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable never_;  // waits end by time only
  Clock::Time next_;               // when the next token is due
};

}  // namespace levada::kube
