#include "core/expr/time.h"

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/expr/zone.h"

namespace levada::expr {
namespace {

constexpr int64_t kSecondsPerDay = 86'400;

// Reads exactly `count` digits at *p.
bool Digits(const char** p, const char* end, int count, int* value) {
  *value = 0;
  for (int i = 0; i < count; ++i, ++*p) {
    if (*p >= end || !absl::ascii_isdigit(**p)) return false;
    *value = *value * 10 + (**p - '0');
  }
  return true;
}

bool Character(const char** p, const char* end, char c) {
  if (*p >= end || **p != c) return false;
  ++*p;
  return true;
}

// The digits behind the point, as nanoseconds.
bool Fraction(const char** p, const char* end, uint32_t* nanos) {
  uint32_t scale = kNanosPerSecond;
  const char* const begin = *p;
  for (; *p < end && absl::ascii_isdigit(**p); ++*p) {
    scale /= 10;
    *nanos += static_cast<uint32_t>(**p - '0') * scale;
  }
  return *p > begin;
}

// "02:00", behind the sign.
bool ZoneDigits(const char** p, const char* end, int* seconds) {
  int hours = 0, minutes = 0;
  if (!Digits(p, end, 2, &hours) || !Character(p, end, ':') || !Digits(p, end, 2, &minutes)) {
    return false;
  }
  *seconds = hours * 3600 + minutes * 60;
  return hours < 24 && minutes < 60;
}

struct Unit {
  std::string_view name;
  int64_t nanos;
};
constexpr Unit kUnits[] = {{"ns", 1},
                           {"us", 1'000},
                           {"µs", 1'000},
                           {"μs", 1'000},
                           {"ms", 1'000'000},
                           {"s", kNanosPerSecond},
                           {"m", 60 * kNanosPerSecond},
                           {"h", 3600 * kNanosPerSecond}};

}  // namespace

CivilTime ToCivil(int64_t seconds) {
  int64_t days = seconds / kSecondsPerDay;
  int64_t rest = seconds % kSecondsPerDay;
  if (rest < 0) {
    rest += kSecondsPerDay;
    --days;
  }
  const base::CivilTime date = base::CivilFromDays(static_cast<int32_t>(days));
  CivilTime civil;
  civil.year = date.year;
  civil.month = date.month;
  civil.day = date.day;
  civil.hour = static_cast<int>(rest / 3600);
  civil.minute = static_cast<int>(rest / 60 % 60);
  civil.second = static_cast<int>(rest % 60);
  civil.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  civil.yearday = static_cast<int>(days - base::DaysFromCivil(date.year, 1, 1));
  return civil;
}

bool ParseTimestamp(std::string_view text, Timestamp* time) {
  const char* p = text.data();
  const char* const end = p + text.size();
  int year, month, day, hour, minute, second, offset = 0;
  uint32_t nanos = 0;
  if (!Digits(&p, end, 4, &year) || !Character(&p, end, '-') || !Digits(&p, end, 2, &month) ||
      !Character(&p, end, '-') || !Digits(&p, end, 2, &day) || !Character(&p, end, 'T') ||
      !Digits(&p, end, 2, &hour) || !Character(&p, end, ':') || !Digits(&p, end, 2, &minute) ||
      !Character(&p, end, ':') || !Digits(&p, end, 2, &second)) {
    return false;
  }
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > base::DaysInMonth(year, month) ||
      hour > 23 || minute > 59 || second > 59) {
    return false;
  }
  if (Character(&p, end, '.') && !Fraction(&p, end, &nanos)) return false;
  if (!Character(&p, end, 'Z')) {
    const bool west = Character(&p, end, '-');
    if ((!west && !Character(&p, end, '+')) || !ZoneDigits(&p, end, &offset)) return false;
    if (west) offset = -offset;
  }
  if (p != end) return false;
  time->seconds = base::DaysFromCivil(year, month, day) * kSecondsPerDay + hour * 3600 +
                  minute * 60 + second - offset;
  time->nanos = nanos;
  return InRange(*time);
}

Timestamp TimestampFromMicros(int64_t micros) {
  int64_t seconds = micros / 1'000'000;
  int64_t rest = micros % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  return {seconds, static_cast<uint32_t>(rest * 1'000)};
}

void AppendTimestamp(Timestamp time, std::string* out) {
  const CivilTime civil = ToCivil(time.seconds);
  absl::StrAppendFormat(out, "%04d-%02d-%02dT%02d:%02d:%02d", civil.year, civil.month, civil.day,
                        civil.hour, civil.minute, civil.second);
  if (time.nanos != 0) {
    absl::StrAppendFormat(out, ".%09d", time.nanos);
    while (out->back() == '0') out->pop_back();
  }
  out->push_back('Z');
}

bool ParseDuration(std::string_view text, int64_t* nanoseconds) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text == "0") {
    *nanoseconds = 0;
    return true;
  }
  if (text.empty()) return false;
  absl::int128 total = 0;
  while (!text.empty()) {
    // number = digits ["." digits], at least one digit in all
    absl::int128 whole = 0, fraction = 0, scale = 1;
    size_t digits = 0, i = 0;
    for (; i < text.size() && absl::ascii_isdigit(text[i]); ++i, ++digits) {
      whole = whole * 10 + (text[i] - '0');
      if (whole > absl::int128(INT64_MAX) + 1) return false;
    }
    if (i < text.size() && text[i] == '.') {
      for (++i; i < text.size() && absl::ascii_isdigit(text[i]); ++i, ++digits) {
        if (scale >= 1'000'000'000'000) continue;  // finer than any unit can show
        fraction = fraction * 10 + (text[i] - '0');
        scale *= 10;
      }
    }
    if (digits == 0) return false;
    text.remove_prefix(i);
    size_t length = 0;
    while (length < text.size() && text[length] != '.' && !absl::ascii_isdigit(text[length])) {
      ++length;
    }
    const std::string_view name = text.substr(0, length);
    text.remove_prefix(length);
    int64_t unit = 0;
    for (const Unit& it : kUnits) {
      if (it.name == name) unit = it.nanos;
    }
    if (unit == 0) return false;
    total += whole * unit + fraction * unit / scale;
    if (total > absl::int128(INT64_MAX) + negative) return false;
  }
  *nanoseconds = static_cast<int64_t>(negative ? -total : total);
  return true;
}

void AppendDuration(int64_t nanoseconds, std::string* out) {
  const uint64_t size =
      nanoseconds < 0 ? 0 - static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
  base::StrAppend(out, nanoseconds < 0 ? "-" : "", size / kNanosPerSecond);
  if (const uint64_t rest = size % kNanosPerSecond; rest != 0) {
    absl::StrAppendFormat(out, ".%09d", rest);
    while (out->back() == '0') out->pop_back();
  }
  out->push_back('s');
}

bool ZoneOffset(std::string_view zone, Timestamp time, int* seconds) {
  absl::TimeZone found;
  if (!FindZone(zone, &found)) return false;
  *seconds = found.At(absl::FromUnixSeconds(time.seconds)).offset;
  return true;
}

}  // namespace levada::expr
