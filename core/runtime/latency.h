#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "core/record/record.h"

// When an event came into Levada, sampled once a batch so that it costs nothing a record.
namespace levada::runtime {

class ArrivalSampler {
 public:
  // `event_time`: the records' timestamps are the events' own times, so that only the header that
  // ingest writes tells the arrival.
  explicit ArrivalSampler(bool event_time) : event_time_(event_time) {}

  // Milliseconds since 1970 when a record of the batch arrived; -1 where that is not known.
  int64_t Arrival(const Batch& batch);

 private:
  const bool event_time_;
  std::vector<Header> headers_;
};

int64_t NowMs();

}  // namespace levada::runtime
