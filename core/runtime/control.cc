#include "core/runtime/control.h"

namespace levada::runtime {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

std::string_view StateName(State state) {
  switch (state) {
    case State::kStarting:
      return "starting";
    case State::kRunning:
      return "running";
    case State::kPaused:
      return "paused";
    case State::kRetrying:
      return "retrying";
    case State::kDraining:
      return "draining";
  }
  return "unknown";
}

std::string Control::message() const {
  std::lock_guard lock(mutex_);
  return message_;
}

void Control::Set(State state, std::string_view message) {
  std::lock_guard lock(mutex_);
  state_ = state;
  message_ = message;
}

void Control::Beat(std::chrono::seconds next) {
  beat_until_.store((Clock::now() + next).time_since_epoch().count(), std::memory_order_relaxed);
}

bool Control::alive() const {
  const int64_t until = beat_until_.load(std::memory_order_relaxed);
  return until == 0 || Clock::now().time_since_epoch().count() < until;
}

}  // namespace levada::runtime
