#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Instants as int64 microseconds since 1970-01-01T00:00:00Z, in the proleptic Gregorian calendar,
// years 0001 to 9999; dates as days since 1970-01-01.
//
//   ParseTimestamp("2024-03-01T12:34:56.789+01:00")   -> 1'709'292'896'789'000
//   ParseTimestamp("1709292896")                      -> 1'709'292'896'000'000
//   FormatTimestamp(1'709'292'896'789'000)            -> "2024-03-01T11:34:56.789Z"
//
// No locale, no time zone database; nothing is allocated unless there is an error, which is
// InvalidArgument and says why.
//
// Thread-safety: pure functions.
namespace levada::base {

inline constexpr int64_t kMicrosPerSecond = 1'000'000;
inline constexpr int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;
inline constexpr int64_t kMinMicros = -62'135'596'800 * kMicrosPerSecond;      // 0001-01-01
inline constexpr int64_t kMaxMicros = 253'402'300'800 * kMicrosPerSecond - 1;  // end of 9999

// Years outside 0001..9999 are clamped: a Kafka record's time is any number.
constexpr int64_t MicrosOfMillis(int64_t millis) {
  return std::clamp(millis, kMinMicros / 1000, kMaxMicros / 1000) * 1000;
}

// RFC 3339 and what is written in its place:
//   2024-03-01T12:34:56Z   2024-03-01 12:34:56.789123456+0100   2024-03-01t12:34z   2024-03-01
// The separator is T, t or a space; seconds may be missing; a fraction follows a point or a comma
// and may have any number of digits, those after the sixth being cut off; the offset is Z, z,
// +hh:mm, +hhmm or +hh, after at most one space; without one it is UTC, and without a time it is
// midnight. Second 60 is taken at 23:59 UTC only and means the second after 59 (Unix time does not
// count leap seconds); 24:00 is refused. A text that is a number is read by ParseEpoch.
absl::StatusOr<int64_t> ParseTimestamp(std::string_view text);

// A number as written in JSON (sign, fraction, exponent), its unit told by its magnitude:
//   below 1e11 seconds (to the year 5138), below 1e14 milliseconds, below 1e17 microseconds, from
//   there on nanoseconds (the last three from 1973 on).
// What is finer than a microsecond is cut off (towards minus infinity).
absl::StatusOr<int64_t> ParseEpoch(std::string_view number);
absl::StatusOr<int64_t> EpochToMicros(int64_t number);
absl::StatusOr<int64_t> EpochToMicros(double number);

// "2024-03-01" -> days since 1970-01-01.
absl::StatusOr<int32_t> ParseDate(std::string_view text);

// RFC 3339 in UTC with as many of 0, 3 or 6 digits of fraction as it needs. Years outside
// 0001..9999 are clamped.
std::string FormatTimestamp(int64_t micros);
void AppendTimestamp(int64_t micros, std::string* out);
// Always three digits: columns stay aligned.
void AppendTimestampMillis(int64_t micros, std::string* out);
// "2024-03-01".
std::string FormatDate(int32_t days);

struct CivilTime {
  int year = 1970;
  int month = 1;  // 1..12
  int day = 1;    // 1..31
  int hour = 0;
  int minute = 0;
  int second = 0;
  int micros = 0;
};

bool IsLeapYear(int year);
int DaysInMonth(int year, int month);
int32_t DaysFromCivil(int year, int month, int day);
CivilTime CivilFromDays(int32_t days);
CivilTime CivilFromMicros(int64_t micros);
// Days since 1970-01-01 of the day that `micros` lies in (rounds towards the past).
int32_t DaysFromMicros(int64_t micros);

int64_t NowMicros();

}  // namespace levada::base
