#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Durations and sizes as people write them in a manifest or on a command line.
//
//   ParseDuration("1h30m")  -> 5'400'000 ms      ParseBytes("128Mi") -> 134'217'728
//   FormatDuration(90s)     -> "1m30s"           FormatBytes(1536)   -> "1.5 KiB"
//
// Errors are InvalidArgument and say what was written and what was expected.
//
// Thread-safety: pure functions.
namespace levada::base {

// One or more of <number><unit>, largest unit first, units d, h, m, s, ms; the number may have a
// fraction ("1.5h"), the result is whole milliseconds. "0" needs no unit. Never negative; at most
// about 100,000 days.
absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text);

// The shortest form that ParseDuration reads back to the same value: "7d", "1h30m", "500ms", "0s".
std::string FormatDuration(std::chrono::milliseconds duration);

// <number>[unit], the number with or without a fraction. Units: Ki Mi Gi Ti Pi (powers of 1024),
// k K M G T P (powers of 1000), each with or without a B; "B" or nothing for bytes.
absl::StatusOr<int64_t> ParseBytes(std::string_view text);

// For people: "17 B", "1.5 KiB", "128 MiB".
std::string FormatBytes(int64_t bytes);

}  // namespace levada::base
