#pragma once

#include <compare>

#include "core/expr/activation.h"
#include "core/expr/value.h"

// CEL's equality and order. Numbers of different kinds are compared as numbers.
namespace levada::expr {

// For all but lists, maps and optionals; values of different kinds are not equal.
bool ScalarsEqual(Value a, Value b);
// For everything. An error value where the comparison would cost more than an evaluation may.
Value Equal(Value a, Value b, Activation& activation);
// `unordered` for a NaN and for kinds that have no order (told apart by Ordered).
std::partial_ordering Compare(Value a, Value b);
// Whether CEL has <, <=, >, >= for these two kinds.
bool Ordered(Kind a, Kind b);

}  // namespace levada::expr
