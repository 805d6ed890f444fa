#include "core/runtime/worker.h"

#include <algorithm>
#include <thread>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/kafka/consumer.h"

namespace levada::runtime {

absl::StatusOr<std::unique_ptr<kafka::Consumer>> OpenInput(const Worker& worker,
                                                           kafka::RebalanceListener* listener) {
  kafka::Consumer::Options options;
  options.client = worker.kafka;
  options.group = worker.group;
  options.topic = worker.input;
  options.instance = worker.instance;
  options.client_id = worker.client_id;
  return kafka::Consumer::Create(options, listener);
}

void CountRebalance(Worker& worker, const kafka::Consumer& input, int change) {
  const int before = static_cast<int>(input.assignment().size());
  worker.metrics.Rebalance(std::max(before + change, 0));
}

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
  worker.metrics.Error(type, base::View(status.message()));
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
