#include "core/expr/sort.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "core/expr/compare.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

// NaN has no place in an order; sorting wants one: before all numbers.
bool Less(const Value& a, const Value& b) {
  if (a.is(Kind::kDouble)) {
    if (std::isnan(a.real()) || std::isnan(b.real())) {
      return std::isnan(a.real()) && !std::isnan(b.real());
    }
  }
  return Compare(a, b) < 0;
}

}  // namespace

Value SortBy(std::span<const Value> items, std::span<const Value> keys, Activation& activation) {
  for (const Value& key : keys) {
    if (key.kind() != keys[0].kind() || !Ordered(key.kind(), key.kind())) {
      return Fail(activation, "sort: ", Type{keys[0].kind()}.ToString(), " and ",
                  Type{key.kind()}.ToString(), " have no order");
    }
  }
  const auto comparisons = static_cast<int64_t>(keys.size()) * std::bit_width(keys.size());
  if (!activation.TakeSteps(comparisons)) return Exhausted();
  auto* const order = NewArray<uint32_t>(activation, keys.size());
  Value* const sorted = NewArray<Value>(activation, keys.size());
  if (order == nullptr || sorted == nullptr) return Exhausted();
  std::iota(order, order + keys.size(), 0);
  std::stable_sort(order, order + keys.size(),
                   [&](uint32_t a, uint32_t b) { return Less(keys[a], keys[b]); });
  for (size_t i = 0; i < keys.size(); ++i) sorted[i] = items[order[i]];
  return Value::List(sorted, keys.size());
}

}  // namespace levada::expr
