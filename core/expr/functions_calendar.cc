// Times as text, cut down to a unit, and as milliseconds.
#include "absl/numeric/int128.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "core/expr/functions.h"
#include "core/expr/support.h"
#include "core/expr/time.h"
#include "core/expr/zone.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

// A format is short; some of its letters stand for a hundred characters.
constexpr size_t kMaxFormatBytes = 256;

absl::Time ToAbsl(Timestamp time) {
  return absl::FromUnixSeconds(time.seconds) + absl::Nanoseconds(time.nanos);
}

Value FromAbsl(absl::Time time) {
  Timestamp result{absl::ToUnixSeconds(time), 0};
  if (!InRange(result)) return Value::Error("timestamp out of range (years 1 to 9999)");
  result.nanos =
      static_cast<uint32_t>((time - absl::FromUnixSeconds(result.seconds)) / absl::Nanoseconds(1));
  return Value::OfTimestamp(result);
}

// The zone that is named as argument `index`, UTC without one. False with `*error` set if unknown.
bool ZoneArgument(const Value* args, size_t count, size_t index, Activation& activation,
                  absl::TimeZone* zone, Value* error) {
  *zone = absl::UTCTimeZone();
  if (count <= index || FindZone(args[index].text(), zone)) return true;
  *error = Fail(activation, NoSuchZone(args[index].text()));
  return false;
}

std::string CheckZone(size_t parameter, Value argument) {
  absl::TimeZone zone;
  const bool named = parameter == 2 && argument.is(Kind::kString);
  return named && !FindZone(argument.text(), &zone) ? NoSuchZone(argument.text()) : "";
}

std::string CheckFormat(size_t parameter, Value argument) {
  const bool format = parameter == 1 && argument.is(Kind::kString);
  if (format && argument.text().size() > kMaxFormatBytes) return "the format of a time is too long";
  return CheckZone(parameter, argument);
}

// parseTime(text, format[, zone])
Value ParseWithFormat(const Value* args, size_t count, Activation& activation) {
  absl::TimeZone zone;
  Value error;
  if (!ZoneArgument(args, count, 2, activation, &zone, &error)) return error;
  const std::string_view text = args[0].text(), format = args[1].text();
  if (format.size() > kMaxFormatBytes) return Value::Error("the format of a time is too long");
  absl::Time time;
  std::string problem;
  if (text.size() > 2 * kMaxFormatBytes ||
      !absl::ParseTime(base::AbslView(format), base::AbslView(text), zone, &time, &problem)) {
    return Fail(activation, "parseTime: '", text.substr(0, 60), "' is not like '", format, "'");
  }
  return FromAbsl(time);
}

// formatTime(time, format[, zone])
Value Format(const Value* args, size_t count, Activation& activation) {
  absl::TimeZone zone;
  Value error;
  if (!ZoneArgument(args, count, 2, activation, &zone, &error)) return error;
  const std::string_view format = args[1].text();
  if (format.size() > kMaxFormatBytes) return Value::Error("the format of a time is too long");
  return NewString(activation, base::View(absl::FormatTime(base::AbslView(format),
                                                           ToAbsl(args[0].timestamp()), zone)));
}

// Calendar units, for which a zone matters.
bool TruncateToUnit(absl::Time time, std::string_view unit, absl::TimeZone zone,
                    absl::Time* result) {
  const absl::CivilSecond civil = absl::ToCivilSecond(time, zone);
  if (unit == "second") {
    *result = absl::FromCivil(civil, zone);
  } else if (unit == "minute") {
    *result = absl::FromCivil(absl::CivilMinute(civil), zone);
  } else if (unit == "hour") {
    *result = absl::FromCivil(absl::CivilHour(civil), zone);
  } else if (unit == "day") {
    *result = absl::FromCivil(absl::CivilDay(civil), zone);
  } else if (unit == "week") {  // of ISO 8601
    const absl::CivilDay day(civil);
    *result = absl::FromCivil(absl::PrevWeekday(day + 1, absl::Weekday::monday), zone);
  } else if (unit == "month") {
    *result = absl::FromCivil(absl::CivilMonth(civil), zone);
  } else if (unit == "quarter") {
    const absl::CivilMonth month(civil);
    *result = absl::FromCivil(month - (month.month() - 1) % 3, zone);
  } else if (unit == "year") {
    *result = absl::FromCivil(absl::CivilYear(civil), zone);
  } else {
    return false;
  }
  return true;
}

std::string NoSuchUnit(std::string_view unit) {
  return base::StrCat("no such unit: '", unit.substr(0, 40),
                      "'; there are second, minute, hour, day, week, month, quarter, year");
}

std::string CheckUnit(size_t parameter, Value argument) {
  absl::Time time;
  const bool unit = parameter == 1 && argument.is(Kind::kString);
  if (unit && !TruncateToUnit(absl::UnixEpoch(), argument.text(), absl::UTCTimeZone(), &time)) {
    return NoSuchUnit(argument.text());
  }
  return CheckZone(parameter, argument);
}

// time.truncate("hour"[, zone])
Value Truncate(const Value* args, size_t count, Activation& activation) {
  absl::TimeZone zone;
  Value error;
  if (!ZoneArgument(args, count, 2, activation, &zone, &error)) return error;
  absl::Time result;
  if (!TruncateToUnit(ToAbsl(args[0].timestamp()), args[1].text(), zone, &result)) {
    return Fail(activation, NoSuchUnit(args[1].text()));
  }
  return FromAbsl(result);
}

// time.truncate(duration("15m")): the last multiple of it since 1970, where tumbling windows begin.
Value TruncateToMultiple(const Value* args, size_t, Activation&) {
  const int64_t unit = args[1].nanoseconds();
  if (unit <= 0) return Value::Error("truncate: the duration is not greater than 0");
  const absl::int128 nanos =
      absl::int128(args[0].timestamp().seconds) * kNanosPerSecond + args[0].timestamp().nanos;
  absl::int128 rest = nanos % unit;
  if (rest < 0) rest += unit;
  const absl::int128 begin = nanos - rest;
  absl::int128 fraction = begin % kNanosPerSecond;
  if (fraction < 0) fraction += kNanosPerSecond;
  const Timestamp result{static_cast<int64_t>((begin - fraction) / kNanosPerSecond),
                         static_cast<uint32_t>(fraction)};
  if (!InRange(result)) return Value::Error("timestamp out of range (years 1 to 9999)");
  return Value::OfTimestamp(result);
}

Value EpochMillis(const Value* args, size_t, Activation&) {
  const Timestamp time = args[0].timestamp();
  return Value::Int(time.seconds * 1'000 + time.nanos / 1'000'000);
}

Value FromEpochMillis(const Value* args, size_t, Activation&) {
  const int64_t millis = args[0].integer();
  const int64_t rest = (millis % 1'000 + 1'000) % 1'000;
  // Without overflow at the lowest int.
  const Timestamp time{millis / 1'000 - (millis % 1'000 < 0),
                       static_cast<uint32_t>(rest * 1'000'000)};
  if (!InRange(time)) return Value::Error("timestamp out of range (years 1 to 9999)");
  return Value::OfTimestamp(time);
}

constexpr Type kInt{Kind::kInt}, kString{Kind::kString}, kTimestamp{Kind::kTimestamp};
constexpr Kind T = Kind::kTimestamp, D = Kind::kDuration, S = Kind::kString, I = Kind::kInt;

constexpr Function kFunctions[] = {
    {"parseTime",
     Style::kGlobal,
     kTimestamp,
     {S, S},
     2,
     ParseWithFormat,
     "a text read by a format like `%d/%b/%Y:%H:%M:%S %z`; in UTC if it has no zone of its own",
     false,
     CheckFormat},
    {"parseTime",
     Style::kGlobal,
     kTimestamp,
     {S, S, S},
     3,
     ParseWithFormat,
     "the same, in a zone",
     false,
     CheckFormat},
    {"formatTime",
     Style::kGlobal,
     kString,
     {T, S},
     2,
     Format,
     "a time written by a format, in UTC",
     false,
     CheckFormat},
    {"formatTime",
     Style::kGlobal,
     kString,
     {T, S, S},
     3,
     Format,
     "the same, in a zone",
     false,
     CheckFormat},
    {"truncate",
     Style::kMember,
     kTimestamp,
     {T, S},
     2,
     Truncate,
     "the beginning of its second, minute, hour, day, week (Monday), month, quarter or year",
     false,
     CheckUnit},
    {"truncate",
     Style::kMember,
     kTimestamp,
     {T, S, S},
     3,
     Truncate,
     "the same in a zone",
     false,
     CheckUnit},
    {"truncate",
     Style::kMember,
     kTimestamp,
     {T, D},
     2,
     TruncateToMultiple,
     "the last multiple of a duration since 1970: where its tumbling window begins"},
    {"epochMillis", Style::kGlobal, kInt, {T}, 1, EpochMillis, "milliseconds since 1970"},
    {"fromEpochMillis", Style::kGlobal, kTimestamp, {I}, 1, FromEpochMillis, "the time of these"},
};

}  // namespace

std::span<const Function> CalendarFunctions() { return kFunctions; }

}  // namespace levada::expr
