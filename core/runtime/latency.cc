#include "core/runtime/latency.h"

#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/record/headers.h"

namespace levada::runtime {

int64_t ArrivalSampler::Arrival(const Batch& batch) {
  if (batch.empty()) return -1;
  const Record& record = batch[0];
  headers_.clear();
  batch.ReadHeaders(record, &headers_);
  for (const Header& header : headers_) {
    int64_t arrival = -1;
    if (header.name == kIngestedHeader && absl::SimpleAtoi(base::AbslView(header.value), &arrival))
      return arrival;
  }
  return event_time_ ? -1 : record.timestamp_ms;
}

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace levada::runtime
