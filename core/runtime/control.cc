#include "core/runtime/control.h"

namespace levada::runtime {
namespace {

constexpr std::chrono::minutes kStuckAfter{2};

int64_t Now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

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

void Control::Beat() { beat_ns_.store(Now(), std::memory_order_relaxed); }

bool Control::alive() const {
  const int64_t beat = beat_ns_.load(std::memory_order_relaxed);
  return beat == 0 || Now() - beat < std::chrono::nanoseconds(kStuckAfter).count();
}

}  // namespace levada::runtime
