#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/expr/value.h"

// Timestamps and durations as text and as calendar fields.
//
// Thread-safety: pure functions.
namespace levada::expr {

inline constexpr int64_t kNanosPerSecond = 1'000'000'000;
inline constexpr int64_t kMinTimestampSeconds = -62'135'596'800;  // 0001-01-01T00:00:00Z
inline constexpr int64_t kMaxTimestampSeconds = 253'402'300'799;  // 9999-12-31T23:59:59Z

inline bool InRange(Timestamp time) {
  return time.seconds >= kMinTimestampSeconds && time.seconds <= kMaxTimestampSeconds;
}

// RFC 3339: 2026-11-02T08:00:32.423Z, 2026-11-02T10:00:32+02:00. Digits behind the ninth of a
// fraction are dropped. False where it is anything else or before year 1 or behind year 9999.
bool ParseTimestamp(std::string_view text, Timestamp* time);
// From base/time.h, which reads the times of events.
Timestamp TimestampFromMicros(int64_t micros);
// As many digits of the fraction as there are: 2026-11-02T08:00:32.423Z.
void AppendTimestamp(Timestamp time, std::string* out);

// "1h45m47.5s", "-30m", "250ms"; units h m s ms us (or µs) ns. False if malformed or longer than
// the 292 years that 64 bits of nanoseconds hold.
bool ParseDuration(std::string_view text, int64_t* nanoseconds);
// "6347s", "3.5s", "-0.25s".
void AppendDuration(int64_t nanoseconds, std::string* out);

// What a clock in some zone shows.
struct CivilTime {
  int year = 1970;
  int month = 1;  // 1..12
  int day = 1;    // 1..31
  int hour = 0;
  int minute = 0;
  int second = 0;
  int weekday = 4;  // 0 = Sunday
  int yearday = 0;  // 0 = January 1st
};
CivilTime ToCivil(int64_t seconds);
// Seconds to be added to UTC in `zone` at `time`: "+02:00", "-02:30", "02:00" or a name of the
// IANA database. False where there is no such zone.
bool ZoneOffset(std::string_view zone, Timestamp time, int* seconds);

}  // namespace levada::expr
