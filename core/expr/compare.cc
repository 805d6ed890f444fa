#include "core/expr/compare.h"

#include <algorithm>
#include <cstring>

#include "core/expr/containers.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

bool IsNumber(Kind kind) { return kind >= Kind::kInt && kind <= Kind::kDouble; }

double ToDouble(Value v) {
  if (v.is(Kind::kDouble)) return v.real();
  return v.is(Kind::kInt) ? static_cast<double>(v.integer())
                          : static_cast<double>(v.unsigned_integer());
}

std::partial_ordering CompareNumbers(Value a, Value b) {
  if (a.is(Kind::kDouble) || b.is(Kind::kDouble)) return ToDouble(a) <=> ToDouble(b);
  if (a.kind() == b.kind()) {
    return a.is(Kind::kInt) ? a.integer() <=> b.integer()
                            : a.unsigned_integer() <=> b.unsigned_integer();
  }
  if (a.is(Kind::kInt)) {
    if (a.integer() < 0) return std::partial_ordering::less;
    return static_cast<uint64_t>(a.integer()) <=> b.unsigned_integer();
  }
  if (b.integer() < 0) return std::partial_ordering::greater;
  return a.unsigned_integer() <=> static_cast<uint64_t>(b.integer());
}

bool AddressesEqual(const Address& a, const Address& b) {
  return a.v6 == b.v6 && a.prefix == b.prefix && std::memcmp(a.bytes, b.bytes, 16) == 0;
}

// Both return false when the evaluation's steps are used up.
class Equality {
 public:
  explicit Equality(Activation& activation) : activation_(activation) {}

  bool Check(Value a, Value b, bool* equal) {
    const bool text = a.is(Kind::kString) || a.is(Kind::kBytes);
    if (!activation_.TakeSteps(text ? 1 + a.text().size() / 256 : 1)) return false;
    if (a.kind() != b.kind() || a.kind() < Kind::kList || a.kind() > Kind::kOptional) {
      *equal = ScalarsEqual(a, b);
      return true;
    }
    if (a.is(Kind::kList)) return Lists(a, b, equal);
    if (a.is(Kind::kMap)) return Maps(a, b, equal);
    if (a.optional() == nullptr || b.optional() == nullptr) {
      *equal = a.optional() == b.optional();
      return true;
    }
    return Check(*a.optional(), *b.optional(), equal);
  }

 private:
  bool Lists(Value a, Value b, bool* equal) {
    const auto left = Items(a, activation_);
    const auto right = Items(b, activation_);
    *equal = left.size() == right.size();
    for (size_t i = 0; *equal && i < left.size(); ++i) {
      if (!Check(left[i], right[i], equal)) return false;
    }
    return true;
  }

  bool Maps(Value a, Value b, bool* equal) {
    const auto left = Entries(a, activation_);
    const auto right = Entries(b, activation_);
    *equal = left.size() == right.size();
    const Value map = Value::Map(right.data(), right.size());
    for (size_t i = 0; *equal && i < left.size(); ++i) {
      if (!activation_.TakeSteps(static_cast<int64_t>(right.size()))) return false;
      const Value other = EntryAt(map, left[i].key, &activation_.arena());
      *equal = !other.is(Kind::kNone);
      if (*equal && !Check(left[i].value, other, equal)) return false;
    }
    return true;
  }

  Activation& activation_;
};

}  // namespace

bool ScalarsEqual(Value a, Value b) {
  if (a.is_number() && b.is_number()) return CompareNumbers(a, b) == 0;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kNull:
      return true;
    case Kind::kBool:
      return a.boolean() == b.boolean();
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kType:
      return a.text() == b.text();
    case Kind::kTimestamp:
      return a.timestamp() == b.timestamp();
    case Kind::kDuration:
      return a.nanoseconds() == b.nanoseconds();
    case Kind::kIp:
    case Kind::kCidr:
      return AddressesEqual(a.address(), b.address());
    default:
      return false;
  }
}

Value Equal(Value a, Value b, Activation& activation) {
  bool equal = false;
  if (!Equality(activation).Check(a, b, &equal)) {
    return Exhausted();
  }
  return Value::Bool(equal);
}

bool Ordered(Kind a, Kind b) {
  if (IsNumber(a) && IsNumber(b)) return true;
  if (a != b) return false;
  return a == Kind::kBool || a == Kind::kString || a == Kind::kBytes || a == Kind::kTimestamp ||
         a == Kind::kDuration;
}

std::partial_ordering Compare(Value a, Value b) {
  if (!Ordered(a.kind(), b.kind())) return std::partial_ordering::unordered;
  switch (a.kind()) {
    case Kind::kBool:
      return a.boolean() <=> b.boolean();
    case Kind::kString:
    case Kind::kBytes:
      return a.text() <=> b.text();
    case Kind::kTimestamp:
      return a.timestamp() <=> b.timestamp();
    case Kind::kDuration:
      return a.nanoseconds() <=> b.nanoseconds();
    default:
      return CompareNumbers(a, b);
  }
}

}  // namespace levada::expr
