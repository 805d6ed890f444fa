// CEL's lists and sets extensions, and first(), last() of its optionals.
#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "core/expr/compare.h"
#include "core/expr/containers.h"
#include "core/expr/functions.h"
#include "core/expr/sort.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

Value ListOf(const std::vector<Value>& items, Activation& activation) {
  Value* const kept = NewArray<Value>(activation, items.size());
  if (kept == nullptr) return Exhausted();
  std::copy(items.begin(), items.end(), kept);
  return Value::List(kept, items.size());
}

Value Slice(const Value* args, size_t, Activation& activation) {
  const auto items = Items(args[0], activation);
  const int64_t begin = args[1].integer(), end = args[2].integer();
  if (begin < 0 || begin > end || end > static_cast<int64_t>(items.size())) {
    return Fail(activation, "slice: no part from ", begin, " to ", end, " in a list of ",
                items.size());
  }
  return Value::List(items.data() + begin, static_cast<size_t>(end - begin));
}

// False when the evaluation has taken too much.
bool FlattenInto(Value list, int64_t depth, Activation& activation, std::vector<Value>* out) {
  for (const Value& item : Items(list, activation)) {
    if (!activation.TakeSteps(1) || !activation.TakeBytes(sizeof(Value))) return false;
    if (depth > 0 && item.is(Kind::kList)) {
      if (!FlattenInto(item, depth - 1, activation, out)) return false;
    } else {
      out->push_back(item);
    }
  }
  return !activation.exhausted();
}

Value Flatten(const Value* args, size_t count, Activation& activation) {
  const int64_t depth = count > 1 ? args[1].integer() : 1;
  if (depth < 0) return Value::Error("flatten: the depth is negative");
  std::vector<Value> items;
  if (!FlattenInto(args[0], depth, activation, &items)) return Exhausted();
  return ListOf(items, activation);
}

Value Range(const Value* args, size_t, Activation& activation) {
  const int64_t size = args[0].integer();
  if (size < 0) return Value::Error("lists.range: the size is negative");
  if (!activation.TakeSteps(size)) return Exhausted();
  Value* const items = NewArray<Value>(activation, static_cast<size_t>(size));
  if (items == nullptr) return Exhausted();
  for (int64_t i = 0; i < size; ++i) items[i] = Value::Int(i);
  return Value::List(items, static_cast<size_t>(size));
}

Value Reverse(const Value* args, size_t, Activation& activation) {
  const auto items = Items(args[0], activation);
  Value* const reversed = NewArray<Value>(activation, items.size());
  if (reversed == nullptr) return Exhausted();
  std::reverse_copy(items.begin(), items.end(), reversed);
  return Value::List(reversed, items.size());
}

Value Sort(const Value* args, size_t, Activation& activation) {
  const auto items = Items(args[0], activation);
  return SortBy(items, items, activation);
}

// 1: `needle` is one of `items`; 0: it is not; -1: too much was compared.
int Contains(std::span<const Value> items, Value needle, Activation& activation) {
  for (const Value& item : items) {
    const Value equal = Equal(item, needle, activation);
    if (!equal.ok()) return -1;
    if (equal.boolean()) return 1;
  }
  return 0;
}

Value DistinctStrings(std::span<const Value> items, Activation& activation) {
  absl::flat_hash_set<absl::string_view> seen;
  std::vector<Value> distinct;
  for (const Value& item : items) {
    if (seen.insert(base::AbslView(item.text())).second) distinct.push_back(item);
  }
  return ListOf(distinct, activation);
}

Value Distinct(const Value* args, size_t, Activation& activation) {
  const auto items = Items(args[0], activation);
  if (!activation.TakeSteps(static_cast<int64_t>(items.size()))) return Exhausted();
  const bool strings = std::all_of(items.begin(), items.end(),
                                   [](const Value& item) { return item.is(Kind::kString); });
  if (strings) return DistinctStrings(items, activation);
  std::vector<Value> distinct;
  for (const Value& item : items) {
    const int found = Contains(distinct, item, activation);
    if (found < 0) return Exhausted();
    if (found == 0) distinct.push_back(item);
  }
  return ListOf(distinct, activation);
}

Value SetsContain(Value set, Value subset, Activation& activation) {
  const auto items = Items(set, activation);
  for (const Value& item : Items(subset, activation)) {
    const int found = Contains(items, item, activation);
    if (found < 0) return Exhausted();
    if (found == 0) return Value::Bool(false);
  }
  return Value::Bool(true);
}

Value SetsContains(const Value* args, size_t, Activation& activation) {
  return SetsContain(args[0], args[1], activation);
}
Value SetsEquivalent(const Value* args, size_t, Activation& activation) {
  const Value contains = SetsContain(args[0], args[1], activation);
  if (!contains.ok() || !contains.boolean()) return contains;
  return SetsContain(args[1], args[0], activation);
}
Value SetsIntersects(const Value* args, size_t, Activation& activation) {
  const auto items = Items(args[0], activation);
  for (const Value& item : Items(args[1], activation)) {
    const int found = Contains(items, item, activation);
    if (found < 0) return Exhausted();
    if (found > 0) return Value::Bool(true);
  }
  return Value::Bool(false);
}

Value OptionalOf(Value value, Activation& activation) {
  if (value.is(Kind::kNone)) return Value::Optional(nullptr);
  return Value::Optional(activation.arena().New<Value>(value));
}
Value First(const Value* args, size_t, Activation& activation) {
  return OptionalOf(ItemAt(args[0], 0, &activation.arena()), activation);
}
Value Last(const Value* args, size_t, Activation& activation) {
  return OptionalOf(ItemAt(args[0], SizeOf(args[0]) - 1, &activation.arena()), activation);
}

constexpr Type kBool{Kind::kBool}, kList{Kind::kList}, kOptional{Kind::kOptional};
constexpr Type kInts{Kind::kList, Kind::kNone, Kind::kInt};
constexpr Kind L = Kind::kList, I = Kind::kInt;

constexpr Function kFunctions[] = {
    {"first", Style::kMember, kOptional, {L}, 1, First, "the first element, if there is one"},
    {"last", Style::kMember, kOptional, {L}, 1, Last, "the last element, if there is one"},
    {"slice", Style::kMember, kList, {L, I, I}, 3, Slice, "the elements from one index to another"},
    {"reverse", Style::kMember, kList, {L}, 1, Reverse, "the elements from the last on"},
    {"sort", Style::kMember, kList, {L}, 1, Sort, "the elements in order; they are of one type"},
    {"distinct", Style::kMember, kList, {L}, 1, Distinct, "each element once"},
    {"flatten",
     Style::kMember,
     kList,
     {L},
     1,
     Flatten,
     "the elements of lists within it in their place"},
    {"flatten", Style::kMember, kList, {L, I}, 2, Flatten, "the same, so many levels deep"},
    {"lists.range", Style::kGlobal, kInts, {I}, 1, Range, "0 to n - 1"},
    {"sets.contains",
     Style::kGlobal,
     kBool,
     {L, L},
     2,
     SetsContains,
     "whether the first has all elements of the second"},
    {"sets.equivalent",
     Style::kGlobal,
     kBool,
     {L, L},
     2,
     SetsEquivalent,
     "whether each has all elements of the other"},
    {"sets.intersects",
     Style::kGlobal,
     kBool,
     {L, L},
     2,
     SetsIntersects,
     "whether they have an element in common"},
};

}  // namespace

std::span<const Function> ListFunctions() { return kFunctions; }

}  // namespace levada::expr
