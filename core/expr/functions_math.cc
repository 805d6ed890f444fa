// CEL's math extension.
#include <bit>
#include <cmath>

#include "core/expr/compare.h"
#include "core/expr/containers.h"
#include "core/expr/functions.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

template <bool greatest>
Value Extreme(std::span<const Value> values, Activation& activation) {
  if (values.empty()) return Value::Error("math.greatest, math.least: the list is empty");
  Value best = values[0];
  for (const Value& value : values) {
    if (!value.is_number()) {
      return NoOverload(greatest ? "math.greatest" : "math.least", &value, 1, activation);
    }
    if (&value == &values[0]) continue;
    const auto order = Compare(value, best);
    if (order == std::partial_ordering::unordered) {
      return Value::Error("math.greatest, math.least: a NaN has no place in an order");
    }
    if (greatest ? order > 0 : order < 0) best = value;
  }
  return best;
}

template <bool greatest>
Value ExtremeOfArguments(const Value* args, size_t count, Activation& activation) {
  return Extreme<greatest>({args, count}, activation);
}
template <bool greatest>
Value ExtremeOfList(const Value* args, size_t, Activation& activation) {
  return Extreme<greatest>(Items(args[0], activation), activation);
}

template <double (*function)(double)>
Value Real(const Value* args, size_t, Activation&) {
  return Value::Double(function(args[0].real()));
}
double Ceil(double x) { return std::ceil(x); }
double Floor(double x) { return std::floor(x); }
double Round(double x) { return std::round(x); }
double Trunc(double x) { return std::trunc(x); }
double Abs(double x) { return std::fabs(x); }
double Sqrt(double x) { return std::sqrt(x); }
double Sign(double x) { return std::isnan(x) ? x : (x > 0) - (x < 0); }

Value AbsInt(const Value* args, size_t, Activation&) {
  if (args[0].integer() == INT64_MIN) return Value::Error("integer overflow");
  return Value::Int(std::abs(args[0].integer()));
}
Value SignInt(const Value* args, size_t, Activation&) {
  return Value::Int((args[0].integer() > 0) - (args[0].integer() < 0));
}
Value SignUint(const Value* args, size_t, Activation&) {
  return Value::Uint(args[0].unsigned_integer() > 0 ? 1 : 0);
}
Value Same(const Value* args, size_t, Activation&) { return args[0]; }
Value SqrtInt(const Value* args, size_t, Activation&) {
  return Value::Double(std::sqrt(static_cast<double>(args[0].integer())));
}
Value SqrtUint(const Value* args, size_t, Activation&) {
  return Value::Double(std::sqrt(static_cast<double>(args[0].unsigned_integer())));
}

Value IsNan(const Value* args, size_t, Activation&) {
  return Value::Bool(std::isnan(args[0].real()));
}
Value IsInf(const Value* args, size_t, Activation&) {
  return Value::Bool(std::isinf(args[0].real()));
}
Value IsFinite(const Value* args, size_t, Activation&) {
  return Value::Bool(std::isfinite(args[0].real()));
}

enum class Bits { kAnd, kOr, kXor, kNot, kLeft, kRight };

template <Bits op>
uint64_t Combine(uint64_t a, uint64_t b) {
  if (op == Bits::kAnd) return a & b;
  if (op == Bits::kOr) return a | b;
  if (op == Bits::kXor) return a ^ b;
  if (op == Bits::kNot) return ~a;
  if (b > 63) return 0;
  return op == Bits::kLeft ? a << b : a >> b;
}

template <Bits op>
Value OfInts(const Value* args, size_t count, Activation&) {
  const uint64_t b = count > 1 ? static_cast<uint64_t>(args[1].integer()) : 0;
  if ((op == Bits::kLeft || op == Bits::kRight) && args[1].integer() < 0) {
    return Value::Error("a shift by a negative number");
  }
  return Value::Int(static_cast<int64_t>(Combine<op>(static_cast<uint64_t>(args[0].integer()), b)));
}

template <Bits op>
Value OfUints(const Value* args, size_t count, Activation&) {
  const bool shift = op == Bits::kLeft || op == Bits::kRight;
  if (shift && args[1].integer() < 0) return Value::Error("a shift by a negative number");
  return Value::Uint(
      Combine<op>(args[0].unsigned_integer(), count > 1 ? args[1].unsigned_integer() : 0));
}

constexpr Type kBool{Kind::kBool}, kInt{Kind::kInt}, kUint{Kind::kUint}, kDouble{Kind::kDouble};
constexpr Kind D = Kind::kDouble, I = Kind::kInt, U = Kind::kUint;

constexpr Function kFunctions[] = {
    {"math.greatest",
     Style::kGlobal,
     {},
     {Kind::kList},
     1,
     ExtremeOfList<true>,
     "the greatest number of a list"},
    {"math.greatest",
     Style::kGlobal,
     {},
     {Kind::kNone},
     1,
     ExtremeOfArguments<true>,
     "the greatest of the numbers",
     true},
    {"math.least",
     Style::kGlobal,
     {},
     {Kind::kList},
     1,
     ExtremeOfList<false>,
     "the least number of a list"},
    {"math.least",
     Style::kGlobal,
     {},
     {Kind::kNone},
     1,
     ExtremeOfArguments<false>,
     "the least of the numbers",
     true},
    {"math.ceil", Style::kGlobal, kDouble, {D}, 1, Real<Ceil>, "up to a whole number"},
    {"math.floor", Style::kGlobal, kDouble, {D}, 1, Real<Floor>, "down to a whole number"},
    {"math.round",
     Style::kGlobal,
     kDouble,
     {D},
     1,
     Real<Round>,
     "to the nearest whole number, halves away from zero"},
    {"math.trunc", Style::kGlobal, kDouble, {D}, 1, Real<Trunc>, "towards zero"},
    {"math.abs", Style::kGlobal, kDouble, {D}, 1, Real<Abs>, "without its sign"},
    {"math.abs", Style::kGlobal, kInt, {I}, 1, AbsInt, "without its sign"},
    {"math.abs", Style::kGlobal, kUint, {U}, 1, Same, "the same"},
    {"math.sign", Style::kGlobal, kDouble, {D}, 1, Real<Sign>, "-1.0, 0.0 or 1.0"},
    {"math.sign", Style::kGlobal, kInt, {I}, 1, SignInt, "-1, 0 or 1"},
    {"math.sign", Style::kGlobal, kUint, {U}, 1, SignUint, "0u or 1u"},
    {"math.sqrt", Style::kGlobal, kDouble, {D}, 1, Real<Sqrt>, "the square root"},
    {"math.sqrt", Style::kGlobal, kDouble, {I}, 1, SqrtInt, "the square root"},
    {"math.sqrt", Style::kGlobal, kDouble, {U}, 1, SqrtUint, "the square root"},
    {"math.isNaN", Style::kGlobal, kBool, {D}, 1, IsNan, "whether it is not a number"},
    {"math.isInf", Style::kGlobal, kBool, {D}, 1, IsInf, "whether it is an infinity"},
    {"math.isFinite", Style::kGlobal, kBool, {D}, 1, IsFinite, "whether it is neither"},
    {"math.bitAnd", Style::kGlobal, kInt, {I, I}, 2, OfInts<Bits::kAnd>, "bits set in both"},
    {"math.bitAnd", Style::kGlobal, kUint, {U, U}, 2, OfUints<Bits::kAnd>, "bits set in both"},
    {"math.bitOr", Style::kGlobal, kInt, {I, I}, 2, OfInts<Bits::kOr>, "bits set in either"},
    {"math.bitOr", Style::kGlobal, kUint, {U, U}, 2, OfUints<Bits::kOr>, "bits set in either"},
    {"math.bitXor", Style::kGlobal, kInt, {I, I}, 2, OfInts<Bits::kXor>, "bits set in one"},
    {"math.bitXor", Style::kGlobal, kUint, {U, U}, 2, OfUints<Bits::kXor>, "bits set in one"},
    {"math.bitNot", Style::kGlobal, kInt, {I}, 1, OfInts<Bits::kNot>, "all bits turned"},
    {"math.bitNot", Style::kGlobal, kUint, {U}, 1, OfUints<Bits::kNot>, "all bits turned"},
    {"math.bitShiftLeft",
     Style::kGlobal,
     kInt,
     {I, I},
     2,
     OfInts<Bits::kLeft>,
     "0 when shifted by 64 or more"},
    {"math.bitShiftLeft",
     Style::kGlobal,
     kUint,
     {U, I},
     2,
     OfUints<Bits::kLeft>,
     "0 when shifted by 64 or more"},
    {"math.bitShiftRight",
     Style::kGlobal,
     kInt,
     {I, I},
     2,
     OfInts<Bits::kRight>,
     "zeros come in at the top"},
    {"math.bitShiftRight",
     Style::kGlobal,
     kUint,
     {U, I},
     2,
     OfUints<Bits::kRight>,
     "zeros come in at the top"},
};

}  // namespace

std::span<const Function> MathFunctions() { return kFunctions; }

}  // namespace levada::expr
