#pragma once

#include "core/expr/activation.h"
#include "core/expr/value.h"

// + - * / % and the unary minus, with CEL's errors: overflow, division by zero, no such overload.
namespace levada::expr {

enum class Arithmetic : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kModulo };

std::string_view Symbol(Arithmetic op);

// `widen`: an int or uint beside a double becomes a double (what the manifest adds to CEL).
template <Arithmetic op>
Value Calculate(Value a, Value b, bool widen, Activation& activation);

Value Negate(Value value, Activation& activation);

}  // namespace levada::expr
