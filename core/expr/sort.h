#pragma once

#include <span>

#include "core/expr/activation.h"
#include "core/expr/value.h"

namespace levada::expr {

// A list of `items` in the order of their `keys`, which are as many; equal keys keep their order.
// An error where the keys are not of one kind that has an order.
Value SortBy(std::span<const Value> items, std::span<const Value> keys, Activation& activation);

}  // namespace levada::expr
