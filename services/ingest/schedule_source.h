#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/generate/fraud.h"
#include "core/runtime/stage.h"
#include "services/ingest/intake.h"
#include "services/ingest/stopper.h"

// Makes events every so often. The events of a run have their times in the span since the run
// before, so that event time follows the clock. Spans begin at multiples of `every` since 1970 and
// a span always has the same events with the same ids; what fell into a time when nothing ran is
// left out.
//
// Threads: Run in one; Stop from any.
namespace levada::ingest {

class ScheduleSource {
 public:
  ScheduleSource(const runtime::StageContext& context, Intake& intake);

  // The intake is open.
  absl::Status Run(const std::function<void()>& ready);
  void Stop() { stopper_.Stop(); }

 private:
  void RunOnce(int64_t from_ms);
  // Publishes until Kafka has all of them, or the stage ends.
  void Deliver(std::vector<std::string> events);

  const runtime::StageContext& context_;
  Intake& intake_;
  const int64_t every_ms_;
  const uint32_t count_;
  generate::FraudSimulator simulator_;
  Stopper stopper_;
};

}  // namespace levada::ingest
