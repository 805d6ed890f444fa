#include "core/base/time.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "absl/status/status.h"
#include "core/base/strings.h"

namespace levada::base {
namespace {

constexpr int32_t kDaysTo1970 = 719'468;  // from 0000-03-01
constexpr int32_t kDaysPerEra = 146'097;  // 400 years

inline uint32_t Digit(char c) { return static_cast<uint8_t>(c - '0'); }

// Two or four digits; more than 9999 where one is something else.
constexpr uint32_t kNoNumber = 100'000;

inline uint32_t Two(const char* p) {
  const uint32_t a = Digit(p[0]);
  const uint32_t b = Digit(p[1]);
  return a > 9 || b > 9 ? kNoNumber : a * 10 + b;
}

inline uint32_t Four(const char* p) {
  const uint32_t high = Two(p);
  const uint32_t low = Two(p + 2);
  return high > 99 || low > 99 ? kNoNumber : high * 100 + low;
}

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(StrCat("\"", text.substr(0, 64), "\" is not a time: ", why));
}

// What is left of a text that is read from the front. The first reason to refuse it is kept.
class Reader {
 public:
  explicit Reader(std::string_view text) : p_(text.data()), end_(p_ + text.size()) {}

  bool AtEnd() const { return p_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - p_); }
  const char* why() const { return why_; }
  bool leap() const { return leap_; }  // the seconds were 60

  bool Date(int64_t* days);
  bool Time(int64_t* micros);
  bool Offset(int64_t* seconds);
  bool Separator() {
    if (*p_ != 'T' && *p_ != 't' && *p_ != ' ') return Fail("expected T between date and time");
    ++p_;
    return true;
  }
  bool Fail(const char* why) {
    why_ = why;
    return false;
  }

 private:
  bool Seconds(int64_t* micros);

  const char* p_;
  const char* const end_;
  const char* why_ = "";
  bool leap_ = false;
};

bool Reader::Date(int64_t* days) {
  if (left() < 10 || p_[4] != '-' || p_[7] != '-') {
    return Fail("expected a form like 2024-03-01T12:34:56Z or seconds since 1970");
  }
  const uint32_t year = Four(p_);
  const uint32_t month = Two(p_ + 5);
  const uint32_t day = Two(p_ + 8);
  if (year == kNoNumber || month == kNoNumber || day == kNoNumber) {
    return Fail("expected digits in the date");
  }
  if (year == 0) return Fail("years go from 0001 to 9999");
  if (month < 1 || month > 12) return Fail("months go from 01 to 12");
  if (day < 1 || day > 31) return Fail("days go from 01 to 31");
  if (day > 28 &&
      static_cast<int>(day) > DaysInMonth(static_cast<int>(year), static_cast<int>(month))) {
    return Fail("the month does not have that day");
  }
  *days = DaysFromCivil(static_cast<int>(year), static_cast<int>(month), static_cast<int>(day));
  p_ += 10;
  return true;
}

bool Reader::Time(int64_t* micros) {
  if (left() < 5 || p_[2] != ':') return Fail("expected a time like 12:34:56");
  const uint32_t hour = Two(p_);
  const uint32_t minute = Two(p_ + 3);
  if (hour == kNoNumber || minute == kNoNumber) return Fail("expected digits in the time");
  if (hour > 23) return Fail("hours go from 00 to 23");
  if (minute > 59) return Fail("minutes go from 00 to 59");
  *micros = (hour * int64_t{3600} + minute * 60) * kMicrosPerSecond;
  p_ += 5;
  if (AtEnd() || *p_ != ':') return true;
  ++p_;
  return Seconds(micros);
}

bool Reader::Seconds(int64_t* micros) {
  const uint32_t second = left() < 2 ? kNoNumber : Two(p_);
  if (second == kNoNumber) return Fail("expected two digits for the seconds");
  if (second > 60) return Fail("seconds go from 00 to 59");
  leap_ = second == 60;
  *micros += second * kMicrosPerSecond;
  p_ += 2;
  if (AtEnd() || (*p_ != '.' && *p_ != ',')) return true;
  ++p_;
  int64_t fraction = 0;
  int64_t unit = kMicrosPerSecond;
  const char* const first = p_;
  for (; p_ < end_ && Digit(*p_) <= 9; ++p_) {
    unit /= 10;  // 0 from the seventh digit on
    fraction += unit * Digit(*p_);
  }
  if (p_ == first) return Fail("expected digits after the point");
  *micros += fraction;
  return true;
}

bool Reader::Offset(int64_t* seconds) {
  *seconds = 0;
  if (AtEnd()) return true;
  if (*p_ == ' ') ++p_;
  constexpr const char* kExpected = "expected an offset like Z or +01:00";
  if (AtEnd()) return Fail(kExpected);
  const char sign = *p_++;
  if (sign == 'Z' || sign == 'z') return AtEnd() || Fail("more text behind the time");
  if ((sign != '+' && sign != '-') || left() < 2) return Fail(kExpected);
  const uint32_t hours = Two(p_);
  p_ += 2;
  uint32_t minutes = 0;
  if (!AtEnd()) {
    if (*p_ == ':') ++p_;
    if (left() != 2) return Fail(kExpected);
    minutes = Two(p_);
  }
  if (hours > 23 || minutes > 59) return Fail("offsets go from -23:59 to +23:59");
  *seconds = static_cast<int64_t>(hours) * 3600 + minutes * 60;
  if (sign == '-') *seconds = -*seconds;
  return true;
}

bool IsNumber(std::string_view text) {
  const size_t first = text.starts_with('-') ? 1 : 0;
  if (text.size() <= first || Digit(text[first]) > 9) return false;
  // A date has its first dash after the year; a number has one only behind an e.
  return text.size() < first + 5 || text[first + 4] != '-' || (text[first + 3] | 0x20) == 'e';
}

absl::StatusOr<int64_t> Checked(std::string_view text, double micros) {
  if (!(micros >= static_cast<double>(kMinMicros) && micros <= static_cast<double>(kMaxMicros))) {
    return Bad(text, "years go from 0001 to 9999");
  }
  return static_cast<int64_t>(std::floor(micros));
}

int64_t FloorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

void AppendDigits(int value, int digits, std::string* out) {
  char text[8];
  for (int i = digits - 1; i >= 0; --i) {
    text[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out->append(text, static_cast<size_t>(digits));
}

void AppendCivilDate(const CivilTime& time, std::string* out) {
  AppendDigits(time.year, 4, out);
  out->push_back('-');
  AppendDigits(time.month, 2, out);
  out->push_back('-');
  AppendDigits(time.day, 2, out);
}

void AppendWithFraction(int64_t micros, int digits, std::string* out) {
  const CivilTime time = CivilFromMicros(micros);
  AppendCivilDate(time, out);
  out->push_back('T');
  AppendDigits(time.hour, 2, out);
  out->push_back(':');
  AppendDigits(time.minute, 2, out);
  out->push_back(':');
  AppendDigits(time.second, 2, out);
  if (digits > 0) {
    out->push_back('.');
    AppendDigits(digits == 3 ? time.micros / 1000 : time.micros, digits, out);
  }
  out->push_back('Z');
}

}  // namespace

absl::StatusOr<int64_t> ParseTimestamp(std::string_view text) {
  if (IsNumber(text)) return ParseEpoch(text);
  Reader reader(text);
  int64_t days = 0;
  int64_t micros = 0;
  int64_t offset = 0;
  bool ok = reader.Date(&days);
  if (ok && !reader.AtEnd()) {
    ok = reader.Separator() && reader.Time(&micros) && reader.Offset(&offset);
  }
  if (!ok) return Bad(text, reader.why());
  const int64_t instant = days * kMicrosPerDay + micros - offset * kMicrosPerSecond;
  if (instant < kMinMicros || instant > kMaxMicros) return Bad(text, "years go from 0001 to 9999");
  if (reader.leap() && FloorDivide(instant, kMicrosPerSecond) % 86'400 != 0) {
    return Bad(text, "seconds go from 00 to 59, and to 60 only at 23:59 UTC");
  }
  return instant;
}

absl::StatusOr<int64_t> EpochToMicros(int64_t number) {
  const uint64_t magnitude =
      number < 0 ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
  int64_t micros = number;
  if (magnitude < 100'000'000'000) {
    micros = number * kMicrosPerSecond;
  } else if (magnitude < 100'000'000'000'000) {
    micros = number * 1000;
  } else if (magnitude >= 100'000'000'000'000'000) {
    micros = FloorDivide(number, 1000);
  }
  if (micros < kMinMicros) return Bad(StrCat(number), "years go from 0001 to 9999");
  return micros;
}

absl::StatusOr<int64_t> EpochToMicros(double number) {
  const double magnitude = std::abs(number);
  const double scaled = magnitude < 1e11   ? number * 1e6
                        : magnitude < 1e14 ? number * 1e3
                        : magnitude < 1e17 ? number
                                           : number / 1e3;
  // A fraction of seconds such as .789 is seldom exact: the nearest microsecond is meant.
  return Checked(StrCat(number), std::nearbyint(scaled));
}

absl::StatusOr<int64_t> ParseEpoch(std::string_view number) {
  const char* const end = number.data() + number.size();
  int64_t whole = 0;
  const auto [stop, error] = std::from_chars(number.data(), end, whole);
  if (error == std::errc() && stop == end) return EpochToMicros(whole);
  double value = 0;
  const auto [double_stop, double_error] = std::from_chars(number.data(), end, value);
  if (double_error != std::errc() || double_stop != end || !std::isfinite(value)) {
    return Bad(number, "expected a form like 2024-03-01T12:34:56Z or seconds since 1970");
  }
  return EpochToMicros(value);
}

absl::StatusOr<int32_t> ParseDate(std::string_view text) {
  Reader reader(text);
  int64_t days = 0;
  if (!reader.Date(&days)) return Bad(text, reader.why());
  if (!reader.AtEnd()) return Bad(text, "expected a date like 2024-03-01 and nothing behind it");
  return static_cast<int32_t>(days);
}

std::string FormatTimestamp(int64_t micros) {
  std::string text;
  AppendTimestamp(micros, &text);
  return text;
}

void AppendTimestamp(int64_t micros, std::string* out) {
  micros = std::clamp(micros, kMinMicros, kMaxMicros);
  const int64_t fraction = micros % kMicrosPerSecond;
  AppendWithFraction(micros, fraction == 0 ? 0 : fraction % 1000 == 0 ? 3 : 6, out);
}

void AppendTimestampMillis(int64_t micros, std::string* out) { AppendWithFraction(micros, 3, out); }

std::string FormatDate(int32_t days) {
  std::string text;
  AppendCivilDate(CivilFromDays(days), &text);
  return text;
}

bool IsLeapYear(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int DaysInMonth(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month == 2 && IsLeapYear(year) ? 29 : kDays[month - 1];
}

// Both ways count in years that begin with March, so that the leap day is a year's last and the
// lengths of the months follow one line: (153 * month + 2) / 5 days before the month.
int32_t DaysFromCivil(int year, int month, int day) {
  if (month <= 2) --year;
  const int era = (year >= 0 ? year : year - 399) / 400;
  const int year_of_era = year - era * 400;
  const int shifted_month = month > 2 ? month - 3 : month + 9;
  const int day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
  const int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * kDaysPerEra + day_of_era - kDaysTo1970;
}

CivilTime CivilFromDays(int32_t days) {
  const int64_t shifted = int64_t{days} + kDaysTo1970;
  const int64_t era = FloorDivide(shifted, kDaysPerEra);
  const int day_of_era = static_cast<int>(shifted - era * kDaysPerEra);
  const int year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int shifted_month = (5 * day_of_year + 2) / 153;
  CivilTime time;
  time.day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  time.month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  time.year = static_cast<int>(era * 400) + year_of_era + (time.month <= 2 ? 1 : 0);
  return time;
}

CivilTime CivilFromMicros(int64_t micros) {
  micros = std::clamp(micros, kMinMicros, kMaxMicros);
  const int32_t days = DaysFromMicros(micros);
  CivilTime time = CivilFromDays(days);
  const int64_t of_day = micros - days * kMicrosPerDay;
  const int seconds = static_cast<int>(of_day / kMicrosPerSecond);
  time.hour = seconds / 3600;
  time.minute = seconds / 60 % 60;
  time.second = seconds % 60;
  time.micros = static_cast<int>(of_day % kMicrosPerSecond);
  return time;
}

int32_t DaysFromMicros(int64_t micros) {
  return static_cast<int32_t>(FloorDivide(micros, kMicrosPerDay));
}

int64_t NowMicros() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count();
}

}  // namespace levada::base
