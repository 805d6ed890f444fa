#include "core/runtime/status.h"

#include <algorithm>
#include <chrono>

#include "core/base/time.h"
#include "core/base/utf8.h"
#include "google/protobuf/util/json_util.h"

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

// What servers say need not be UTF-8, and may be cut; a message has to be.
std::string Readable(std::string_view text) {
  std::string readable;
  const char* const end = text.data() + text.size();
  for (const char* p = text.data(); p < end;) {
    const int length = base::Utf8SequenceLength(p, end);
    if (length == base::kUtf8Cut) break;
    readable.append(length > 0 ? std::string_view(p, length) : "?");
    p += std::max(length, 1);
  }
  return readable;
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
  status.set_message(Readable(control.message()));
  status.set_records_in(numbers.records_in);
  status.set_bytes_in(numbers.bytes_in);
  status.set_records_out(numbers.records_out);
  status.set_bytes_out(numbers.bytes_out);
  status.set_records_filtered(numbers.filtered);
  status.set_dead_letters(numbers.dead_letters);
  status.set_late_events(numbers.late_events);
  status.set_errors(numbers.errors);
  status.set_lag(numbers.lag);
  status.set_latency_p50_ms(numbers.latency_p50_ms);
  status.set_latency_p99_ms(numbers.latency_p99_ms);
  status.set_uptime_s(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - kStarted).count());
  status.set_partitions(numbers.partitions);
  if (numbers.last_error_micros != 0) {
    status.set_last_error(Readable(numbers.last_error));
    status.set_last_error_time(base::FormatTimestamp(numbers.last_error_micros));
  }
  return status;
}

std::string ToJson(const v1::StageStatus& status) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  // Fails for nothing that StatusOf makes.
  if (!google::protobuf::util::MessageToJsonString(status, &json, options).ok()) return "{}";
  return json;
}

}  // namespace levada::runtime
