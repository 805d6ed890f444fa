// CEL's optional values.
#include "core/expr/containers.h"
#include "core/expr/functions.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

Value Of(const Value* args, size_t, Activation& activation) {
  return Value::Optional(activation.arena().New<Value>(args[0]));
}

Value None(const Value*, size_t, Activation&) { return Value::Optional(nullptr); }

bool IsZero(Value value) {
  switch (value.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDuration:
      return value.integer() == 0;
    case Kind::kDouble:
      return value.real() == 0;
    case Kind::kString:
    case Kind::kBytes:
      return value.text().empty();
    case Kind::kList:
    case Kind::kMap:
      return SizeOf(value) == 0;
    case Kind::kTimestamp:
      return value.timestamp() == Timestamp{};
    case Kind::kOptional:
      return value.optional() == nullptr;
    default:
      return false;
  }
}

Value OfNonZero(const Value* args, size_t count, Activation& activation) {
  return IsZero(args[0]) ? None(args, count, activation) : Of(args, count, activation);
}

Value HasValue(const Value* args, size_t, Activation&) {
  return Value::Bool(args[0].optional() != nullptr);
}

Value Get(const Value* args, size_t, Activation&) {
  if (args[0].optional() == nullptr) return Value::Error("optional.none() has no value");
  return *args[0].optional();
}

Value Or(const Value* args, size_t, Activation&) {
  return args[0].optional() != nullptr ? args[0] : args[1];
}

Value OrValue(const Value* args, size_t, Activation&) {
  return args[0].optional() != nullptr ? *args[0].optional() : args[1];
}

Value Unwrap(const Value* args, size_t, Activation& activation) {
  const auto items = Items(args[0], activation);
  Value* const values = NewArray<Value>(activation, items.size());
  if (values == nullptr) return Exhausted();
  size_t count = 0;
  for (const Value& item : items) {
    if (!item.is(Kind::kOptional)) return NoOverload("optional.unwrap", &item, 1, activation);
    if (item.optional() != nullptr) values[count++] = *item.optional();
  }
  return Value::List(values, count);
}

constexpr Type kOptional{Kind::kOptional};
constexpr Kind O = Kind::kOptional;

constexpr Function kFunctions[] = {
    {"optional.of", Style::kGlobal, kOptional, {Kind::kNone}, 1, Of, "an optional with a value"},
    {"optional.none", Style::kGlobal, kOptional, {}, 0, None, "an optional without"},
    {"optional.ofNonZeroValue",
     Style::kGlobal,
     kOptional,
     {Kind::kNone},
     1,
     OfNonZero,
     "none for null, false, 0 and what is empty"},
    {"hasValue", Style::kMember, {Kind::kBool}, {O}, 1, HasValue, "whether there is a value"},
    {"value", Style::kMember, {}, {O}, 1, Get, "the value; an error without one"},
    {"or", Style::kMember, kOptional, {O, O}, 2, Or, "the first of the two that has a value"},
    {"orValue", Style::kMember, {}, {O, Kind::kNone}, 2, OrValue, "the value, or the other"},
    {"optional.unwrap",
     Style::kGlobal,
     {Kind::kList},
     {Kind::kList},
     1,
     Unwrap,
     "the values of those in a list that have one"},
    {"unwrapOpt", Style::kMember, {Kind::kList}, {Kind::kList}, 1, Unwrap, "the same"},
};

}  // namespace

std::span<const Function> OptionalFunctions() { return kFunctions; }

}  // namespace levada::expr
