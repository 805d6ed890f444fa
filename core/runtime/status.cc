#include "core/runtime/status.h"

#include <chrono>

namespace levada::runtime {
namespace {

const std::chrono::steady_clock::time_point kStarted = std::chrono::steady_clock::now();

v1::StageStatus::State ToProto(State state) {
  switch (state) {
    case State::kStarting:
      return v1::StageStatus::STARTING;
    case State::kRunning:
      return v1::StageStatus::RUNNING;
    case State::kPaused:
      return v1::StageStatus::PAUSED;
    case State::kRetrying:
      return v1::StageStatus::RETRYING;
    case State::kDraining:
      return v1::StageStatus::DRAINING;
  }
  return v1::StageStatus::STATE_UNSPECIFIED;
}

}  // namespace

v1::StageStatus StatusOf(const Identity& identity, const Control& control,
                         const StageMetrics& metrics) {
  const StageMetrics::Numbers numbers = metrics.Read();
  v1::StageStatus status;
  status.set_pipeline(identity.pipeline);
  status.set_stage(identity.stage);
  status.set_service(identity.service);
  status.set_state(ToProto(control.state()));
  status.set_message(control.message());
  status.set_records_in(numbers.records_in);
  status.set_bytes_in(numbers.bytes_in);
  status.set_records_out(numbers.records_out);
  status.set_bytes_out(numbers.bytes_out);
  status.set_records_filtered(numbers.filtered);
  status.set_dead_letters(numbers.dead_letters);
  status.set_errors(numbers.errors);
  status.set_lag(numbers.lag);
  status.set_latency_p50_ms(numbers.latency_p50_ms);
  status.set_latency_p99_ms(numbers.latency_p99_ms);
  status.set_uptime_s(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - kStarted).count());
  status.set_partitions(numbers.partitions);
  return status;
}

}  // namespace levada::runtime
