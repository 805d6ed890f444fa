#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "levada/v1/pipeline.pb.h"

// What spec.tests means, for the checks and for who runs them.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

// 2026-01-01T00:00:00Z: when a test begins that does not say so.
inline constexpr int64_t kTestBeginMs = 1'767'225'600'000;

// The topic whose records an expectation is about: what is declared of it types the expressions of
// `that`. Null where there is not just one, or the stage writes elsewhere.
const v1::Topic* ResultTopic(const v1::Pipeline& pipeline, const v1::TestExpectation& expectation);

// When an event arrives that comes in at `now_ms` or later, and of which nothing else is said: at
// its own time. `own`: that time as the event has it, text or number; empty for none.
int64_t ArrivalMs(std::string_view own, int64_t now_ms);

// Milliseconds since 1970; `otherwise` where it is empty or cannot be read.
int64_t TimeMs(const std::string& rfc3339, int64_t otherwise);
int64_t DurationMs(const std::string& duration);

}  // namespace levada::pipeline
