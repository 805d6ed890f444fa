#include "core/runtime/latency.h"

#include <chrono>

namespace levada::runtime {

int64_t ArrivalMs(const Batch& batch) {
  return batch.empty() || batch[0].timestamp_ms <= 0 ? -1 : batch[0].timestamp_ms;
}

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace levada::runtime
