#include "operator/kube/flow_control.h"

#include <algorithm>

namespace levada::kube {

FlowControl::FlowControl(double rate, int burst, Clock* clock)
    : interval_(std::chrono::duration_cast<Clock::Duration>(
          std::chrono::duration<double>(1 / std::max(rate, 0.001)))),
      credit_(interval_ * (std::max(burst, 1) - 1)),
      clock_(*clock),
      next_(clock_.Now() - credit_) {}

Clock::Duration FlowControl::Acquire(Priority priority) {
  std::unique_lock lock(mutex_);
  const Clock::Time now = clock_.Now();
  next_ = std::max(next_, now - credit_);
  const Clock::Time mine = next_;
  next_ += interval_;
  if (priority == Priority::kHigh || mine <= now) return {};
  clock_.WaitUntil(lock, never_, mine, [] { return false; });
  return clock_.Now() - now;
}

void FlowControl::HoldUntil(Clock::Time time) {
  const std::lock_guard lock(mutex_);
  next_ = std::max(next_, time);
}

}  // namespace levada::kube
