// Fields of timestamps and durations.
#include "core/expr/functions.h"
#include "core/expr/support.h"
#include "core/expr/time.h"
#include "core/expr/zone.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

enum class Field { kYear, kMonth, kDate, kDayOfMonth, kWeekday, kYearday, kHour, kMinute, kSecond };

int64_t Take(Field field, const CivilTime& civil) {
  switch (field) {
    case Field::kYear:
      return civil.year;
    case Field::kMonth:
      return civil.month - 1;
    case Field::kDate:
      return civil.day;
    case Field::kDayOfMonth:
      return civil.day - 1;
    case Field::kWeekday:
      return civil.weekday;
    case Field::kYearday:
      return civil.yearday;
    case Field::kHour:
      return civil.hour;
    case Field::kMinute:
      return civil.minute;
    case Field::kSecond:
      return civil.second;
  }
  return 0;
}

// A zone within the expression is looked at when that is compiled.
std::string CheckZone(size_t parameter, Value argument) {
  absl::TimeZone zone;
  const bool named = parameter == 1 && argument.is(Kind::kString);
  return named && !FindZone(argument.text(), &zone) ? NoSuchZone(argument.text()) : "";
}

template <Field field>
Value Get(const Value* args, size_t count, Activation& activation) {
  int offset = 0;
  if (count > 1 && !ZoneOffset(args[1].text(), args[0].timestamp(), &offset)) {
    return Fail(activation, NoSuchZone(args[1].text()));
  }
  return Value::Int(Take(field, ToCivil(args[0].timestamp().seconds + offset)));
}

Value Milliseconds(const Value* args, size_t count, Activation& activation) {
  int offset = 0;
  if (count > 1 && !ZoneOffset(args[1].text(), args[0].timestamp(), &offset)) {
    return Fail(activation, NoSuchZone(args[1].text()));
  }
  return Value::Int(args[0].timestamp().nanos / 1'000'000);
}

template <int64_t unit>
Value Whole(const Value* args, size_t, Activation&) {
  return Value::Int(args[0].nanoseconds() / unit);
}

Value DurationMilliseconds(const Value* args, size_t, Activation&) {
  return Value::Int(args[0].nanoseconds() % kNanosPerSecond / 1'000'000);
}

constexpr Type kInt{Kind::kInt};
constexpr Kind T = Kind::kTimestamp, D = Kind::kDuration, S = Kind::kString;

constexpr Function kFunctions[] = {
    {"getFullYear", Style::kMember, kInt, {T}, 1, Get<Field::kYear>, "the year"},
    {"getFullYear",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kYear>,
     "the year in a zone",
     false,
     CheckZone},
    {"getMonth", Style::kMember, kInt, {T}, 1, Get<Field::kMonth>, "0 is January"},
    {"getMonth",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kMonth>,
     "the same in a zone",
     false,
     CheckZone},
    {"getDate", Style::kMember, kInt, {T}, 1, Get<Field::kDate>, "day of the month from 1 on"},
    {"getDate",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kDate>,
     "the same in a zone",
     false,
     CheckZone},
    {"getDayOfMonth", Style::kMember, kInt, {T}, 1, Get<Field::kDayOfMonth>, "the same from 0 on"},
    {"getDayOfMonth",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kDayOfMonth>,
     "the same in a zone",
     false,
     CheckZone},
    {"getDayOfWeek", Style::kMember, kInt, {T}, 1, Get<Field::kWeekday>, "0 is Sunday"},
    {"getDayOfWeek",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kWeekday>,
     "the same in a zone",
     false,
     CheckZone},
    {"getDayOfYear", Style::kMember, kInt, {T}, 1, Get<Field::kYearday>, "0 is January 1st"},
    {"getDayOfYear",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kYearday>,
     "the same in a zone",
     false,
     CheckZone},
    {"getHours", Style::kMember, kInt, {T}, 1, Get<Field::kHour>, "0 to 23"},
    {"getHours",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kHour>,
     "the same in a zone",
     false,
     CheckZone},
    {"getHours", Style::kMember, kInt, {D}, 1, Whole<3600 * kNanosPerSecond>, "whole hours"},
    {"getMinutes", Style::kMember, kInt, {T}, 1, Get<Field::kMinute>, "0 to 59"},
    {"getMinutes",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kMinute>,
     "the same in a zone",
     false,
     CheckZone},
    {"getMinutes", Style::kMember, kInt, {D}, 1, Whole<60 * kNanosPerSecond>, "whole minutes"},
    {"getSeconds", Style::kMember, kInt, {T}, 1, Get<Field::kSecond>, "0 to 59"},
    {"getSeconds",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Get<Field::kSecond>,
     "the same in a zone",
     false,
     CheckZone},
    {"getSeconds", Style::kMember, kInt, {D}, 1, Whole<kNanosPerSecond>, "whole seconds"},
    {"getMilliseconds", Style::kMember, kInt, {T}, 1, Milliseconds, "0 to 999"},
    {"getMilliseconds",
     Style::kMember,
     kInt,
     {T, S},
     2,
     Milliseconds,
     "the same in a zone",
     false,
     CheckZone},
    {"getMilliseconds",
     Style::kMember,
     kInt,
     {D},
     1,
     DurationMilliseconds,
     "those behind the whole seconds"},
};

}  // namespace

std::span<const Function> TimeFunctions() { return kFunctions; }

}  // namespace levada::expr
