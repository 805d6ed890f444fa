#include "core/runtime/worker.h"

#include <thread>

#include "core/base/log.h"
#include "core/base/strings.h"

namespace levada::runtime {
bool Retriable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

void WaitBeforeRetry(Worker& worker, const absl::Status& status, ErrorType type,
                     base::Backoff& backoff) {
  const auto wait = backoff.Next();
  worker.metrics.Error(type);
  worker.metrics.Retry();
  worker.control.Set(State::kRetrying, base::View(status.message()));
  static base::LogLimiter limiter{std::chrono::seconds(5)};
  base::LogEvery(limiter, base::LogLevel::kWarn, "trying again",
                 {{"reason", status.message()}, {"wait_ms", wait.count()}});
  const auto until = std::chrono::steady_clock::now() + wait;
  while (!worker.control.draining() && std::chrono::steady_clock::now() < until) {
    worker.control.Beat();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace levada::runtime
