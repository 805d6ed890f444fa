#include "core/expr/arithmetic.h"

#include <cmath>
#include <limits>

#include "absl/numeric/int128.h"
#include "core/base/strings.h"
#include "core/expr/containers.h"
#include "core/expr/support.h"
#include "core/expr/time.h"

namespace levada::expr {
namespace {

Value Overflow() { return Value::Error("integer overflow"); }
Value OutOfRange() { return Value::Error("timestamp or duration out of range"); }

template <Arithmetic op>
Value Doubles(double a, double b) {
  if constexpr (op == Arithmetic::kAdd) return Value::Double(a + b);
  if constexpr (op == Arithmetic::kSubtract) return Value::Double(a - b);
  if constexpr (op == Arithmetic::kMultiply) return Value::Double(a * b);
  return Value::Double(a / b);
}

// Int or Uint: `make` and `number` differ, the checks are the compiler's own.
template <Arithmetic op, typename Number>
Value Integers(Number a, Number b, Value (*make)(Number)) {
  Number result = 0;
  if constexpr (op == Arithmetic::kAdd) {
    if (__builtin_add_overflow(a, b, &result)) return Overflow();
  } else if constexpr (op == Arithmetic::kSubtract) {
    if (__builtin_sub_overflow(a, b, &result)) return Overflow();
  } else if constexpr (op == Arithmetic::kMultiply) {
    if (__builtin_mul_overflow(a, b, &result)) return Overflow();
  } else {
    if (b == 0) {
      return Value::Error(op == Arithmetic::kDivide ? "division by zero" : "modulus by zero");
    }
    if (static_cast<Number>(b + 1) == 0 && a == std::numeric_limits<Number>::min() && a != 0) {
      return Overflow();  // the smallest int divided by -1
    }
    result = op == Arithmetic::kDivide ? a / b : a % b;
  }
  return make(result);
}

// time + nanoseconds, for either sign.
Value Shift(Timestamp time, int64_t nanoseconds) {
  int64_t seconds = nanoseconds / kNanosPerSecond;
  int64_t nanos = nanoseconds % kNanosPerSecond + time.nanos;
  if (nanos < 0) {
    nanos += kNanosPerSecond;
    --seconds;
  } else if (nanos >= kNanosPerSecond) {
    nanos -= kNanosPerSecond;
    ++seconds;
  }
  const Timestamp result{time.seconds + seconds, static_cast<uint32_t>(nanos)};
  return InRange(result) ? Value::OfTimestamp(result) : OutOfRange();
}

Value Difference(Timestamp a, Timestamp b) {
  const absl::int128 nanos = absl::int128(a.seconds - b.seconds) * kNanosPerSecond +
                             static_cast<int64_t>(a.nanos) - static_cast<int64_t>(b.nanos);
  if (nanos > INT64_MAX || nanos < INT64_MIN) return OutOfRange();
  return Value::Duration(static_cast<int64_t>(nanos));
}

template <Arithmetic op>
Value Times(Value a, Value b, bool* known) {
  *known = true;
  int64_t nanos = 0;
  if (a.is(Kind::kDuration) && b.is(Kind::kDuration)) {
    const bool overflow = op == Arithmetic::kAdd
                              ? __builtin_add_overflow(a.nanoseconds(), b.nanoseconds(), &nanos)
                              : __builtin_sub_overflow(a.nanoseconds(), b.nanoseconds(), &nanos);
    return overflow ? OutOfRange() : Value::Duration(nanos);
  }
  if (a.is(Kind::kTimestamp) && b.is(Kind::kDuration)) {
    if (op == Arithmetic::kAdd) return Shift(a.timestamp(), b.nanoseconds());
    if (b.nanoseconds() == INT64_MIN) return OutOfRange();
    return Shift(a.timestamp(), -b.nanoseconds());
  }
  if (a.is(Kind::kDuration) && b.is(Kind::kTimestamp) && op == Arithmetic::kAdd) {
    return Shift(b.timestamp(), a.nanoseconds());
  }
  if (a.is(Kind::kTimestamp) && b.is(Kind::kTimestamp) && op == Arithmetic::kSubtract) {
    return Difference(a.timestamp(), b.timestamp());
  }
  *known = false;
  return Value();
}

Value JoinLists(Value a, Value b, Activation& activation) {
  const auto left = Items(a, activation);
  const auto right = Items(b, activation);
  if (right.empty()) return a;
  if (left.empty()) return b;
  Value* items = NewArray<Value>(activation, left.size() + right.size());
  if (items == nullptr) return Exhausted();
  std::copy(right.begin(), right.end(), std::copy(left.begin(), left.end(), items));
  return Value::List(items, left.size() + right.size());
}

double AsDouble(Value v) {
  if (v.is(Kind::kInt)) return static_cast<double>(v.integer());
  if (v.is(Kind::kUint)) return static_cast<double>(v.unsigned_integer());
  return v.real();
}

// A number without a fraction, which in JSON is a double like any other.
bool Whole(Value value, int64_t* whole) {
  if (value.is(Kind::kInt)) *whole = value.integer();
  if (!value.is(Kind::kDouble)) return value.is(Kind::kInt);
  if (std::fabs(value.real()) > 9007199254740992.0 || std::trunc(value.real()) != value.real()) {
    return false;
  }
  *whole = static_cast<int64_t>(value.real());
  return true;
}

template <Arithmetic op>
Value Uncommon(Value a, Value b, bool widen, Activation& activation) {
  if (!a.ok()) return a;
  if (!b.ok()) return b;
  if (a.is(Kind::kUint) && b.is(Kind::kUint)) {
    return Integers<op, uint64_t>(a.unsigned_integer(), b.unsigned_integer(), &Value::Uint);
  }
  if constexpr (op == Arithmetic::kModulo) {
    int64_t left = 0, right = 0;
    if (widen && Whole(a, &left) && Whole(b, &right)) {
      return Integers<op, int64_t>(left, right, &Value::Int);
    }
  } else {
    if (widen && a.is_number() && b.is_number() && (a.is(Kind::kDouble) || b.is(Kind::kDouble))) {
      return Doubles<op>(AsDouble(a), AsDouble(b));
    }
  }
  if constexpr (op == Arithmetic::kAdd) {
    if (a.kind() == b.kind() && (a.is(Kind::kString) || a.is(Kind::kBytes))) {
      return Concatenate(a.kind(), a.text(), b.text(), activation);
    }
    if (a.is(Kind::kList) && b.is(Kind::kList)) return JoinLists(a, b, activation);
  }
  if constexpr (op == Arithmetic::kAdd || op == Arithmetic::kSubtract) {
    bool known = false;
    const Value result = Times<op>(a, b, &known);
    if (known) return result;
  }
  const Value args[] = {a, b};
  return NoOverload(base::StrCat("_", Symbol(op), "_"), args, 2, activation);
}

}  // namespace

std::string_view Symbol(Arithmetic op) {
  static constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "%"};
  return kSymbols[static_cast<int>(op)];
}

template <Arithmetic op>
Value Calculate(Value a, Value b, bool widen, Activation& activation) {
  if constexpr (op != Arithmetic::kModulo) {
    if (a.is(Kind::kDouble) && b.is(Kind::kDouble)) return Doubles<op>(a.real(), b.real());
  }
  if (a.is(Kind::kInt) && b.is(Kind::kInt)) {
    return Integers<op, int64_t>(a.integer(), b.integer(), &Value::Int);
  }
  return Uncommon<op>(a, b, widen, activation);
}

template Value Calculate<Arithmetic::kAdd>(Value, Value, bool, Activation&);
template Value Calculate<Arithmetic::kSubtract>(Value, Value, bool, Activation&);
template Value Calculate<Arithmetic::kMultiply>(Value, Value, bool, Activation&);
template Value Calculate<Arithmetic::kDivide>(Value, Value, bool, Activation&);
template Value Calculate<Arithmetic::kModulo>(Value, Value, bool, Activation&);

Value Negate(Value value, Activation& activation) {
  if (value.is(Kind::kDouble)) return Value::Double(-value.real());
  if (value.is(Kind::kInt)) {
    if (value.integer() == INT64_MIN) return Overflow();
    return Value::Int(-value.integer());
  }
  if (!value.ok()) return value;
  return NoOverload("-_", &value, 1, activation);
}

}  // namespace levada::expr
