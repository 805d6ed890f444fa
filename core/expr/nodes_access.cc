#include <cmath>

#include "core/expr/compare.h"
#include "core/expr/containers.h"
#include "core/expr/node.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

Value ToOptional(Value value, Activation& activation) {
  if (value.is(Kind::kNone)) return Value::Optional(nullptr);
  return Value::Optional(activation.arena().New<Value>(value));
}

struct SelectNode : Node {
  const Node* operand;
  std::string_view name;
};

// operand.name, kNone where there is no such key.
Value Lookup(const SelectNode* node, Value map, Activation& activation) {
  if (map.is(Kind::kMap)) {
    if (map.store() == Value::Store::kJson && !activation.TakeStepsForBytes(map.json().size())) {
      return Exhausted();
    }
    return EntryAt(map, node->name, &activation.arena());
  }
  return Fail(activation, "a ", Type{map.kind()}.ToString(), " has no field '", node->name, "'");
}

// On an optional, and for .?name: the result is an optional.
Value SelectOptional(const SelectNode* node, Value operand, Activation& activation) {
  if (operand.is(Kind::kOptional)) {
    if (operand.optional() == nullptr) return operand;
    operand = *operand.optional();
  }
  const Value value = Lookup(node, operand, activation);
  return value.ok() ? ToOptional(value, activation) : value;
}

Value RunSelect(const Node* self, Activation& activation) {
  const auto* node = static_cast<const SelectNode*>(self);
  const Value operand = Run(node->operand, activation);
  if (!operand.ok()) return operand;
  if (operand.is(Kind::kOptional)) return SelectOptional(node, operand, activation);
  const Value value = Lookup(node, operand, activation);
  return value.is(Kind::kNone) ? Fail(activation, "no such key: ", node->name) : value;
}

Value RunSelectOptional(const Node* self, Activation& activation) {
  const auto* node = static_cast<const SelectNode*>(self);
  const Value operand = Run(node->operand, activation);
  return operand.ok() ? SelectOptional(node, operand, activation) : operand;
}

Value RunHas(const Node* self, Activation& activation) {
  const auto* node = static_cast<const SelectNode*>(self);
  Value operand = Run(node->operand, activation);
  if (!operand.ok()) return operand;
  if (operand.is(Kind::kOptional)) {
    if (operand.optional() == nullptr) return Value::Bool(false);
    operand = *operand.optional();
  }
  const Value value = Lookup(node, operand, activation);
  return value.ok() ? Value::Bool(!value.is(Kind::kNone)) : value;
}

struct IndexNode : Node {
  const Node* operand;
  const Node* index;
};

// A number that is whole and fits an int, as lists and maps are looked up with.
bool WholeNumber(Value value, int64_t* whole) {
  if (value.is(Kind::kInt)) {
    *whole = value.integer();
    return true;
  }
  if (value.is(Kind::kUint)) {
    *whole = static_cast<int64_t>(value.unsigned_integer());
    return value.unsigned_integer() <= INT64_MAX;
  }
  if (!value.is(Kind::kDouble) || std::trunc(value.real()) != value.real() ||
      !(std::fabs(value.real()) < 9.2e18)) {
    return false;
  }
  *whole = static_cast<int64_t>(value.real());
  return true;
}

Value LookupIndex(Value operand, Value index, Activation& activation) {
  const bool container = operand.is(Kind::kList) || operand.is(Kind::kMap);
  if (container && operand.store() == Value::Store::kJson &&
      !activation.TakeStepsForBytes(operand.json().size())) {
    return Exhausted();
  }
  if (operand.is(Kind::kList)) {
    int64_t whole = 0;
    if (!WholeNumber(index, &whole)) {
      return Fail(activation, "a list is indexed by an int, found ", Type{index.kind()}.ToString());
    }
    return ItemAt(operand, whole, &activation.arena());
  }
  if (operand.is(Kind::kMap)) {
    const bool key = index.is_number() || index.is(Kind::kBool) || index.is(Kind::kString);
    if (key) return EntryAt(operand, index, &activation.arena());
    return Fail(activation, "no such overload: a map's key cannot be a ",
                Type{index.kind()}.ToString());
  }
  const Value args[] = {operand, index};
  return NoOverload("_[_]", args, 2, activation);
}

Value IndexOptional(Value operand, Value index, Activation& activation) {
  if (operand.is(Kind::kOptional)) {
    if (operand.optional() == nullptr) return operand;
    operand = *operand.optional();
  }
  const Value value = LookupIndex(operand, index, activation);
  return value.ok() ? ToOptional(value, activation) : value;
}

Value NoSuchIndex(Value operand, Value index, Activation& activation) {
  std::string text;
  AppendText(index, &text);
  return Fail(activation, operand.is(Kind::kList) ? "index out of range: " : "no such key: ",
              text.substr(0, 100));
}

template <bool optional>
Value RunIndex(const Node* self, Activation& activation) {
  const auto* node = static_cast<const IndexNode*>(self);
  const Value operand = Run(node->operand, activation);
  if (!operand.ok()) return operand;
  const Value index = Run(node->index, activation);
  if (!index.ok()) return index;
  if (optional || operand.is(Kind::kOptional)) return IndexOptional(operand, index, activation);
  const Value value = LookupIndex(operand, index, activation);
  return value.is(Kind::kNone) ? NoSuchIndex(operand, index, activation) : value;
}

struct ItemsNode : Node {
  Nodes items;
  const bool* optional;
};

// The value of an item that may be left out: kNone if it is.
Value TakeOptional(Value value, Activation& activation) {
  if (!value.ok()) return value;
  if (!value.is(Kind::kOptional)) {
    return Fail(activation, "an item with '?' wants an optional, found ",
                Type{value.kind()}.ToString());
  }
  return value.optional() ? *value.optional() : Value();
}

Value RunList(const Node* self, Activation& activation) {
  const auto* node = static_cast<const ItemsNode*>(self);
  Value* items = NewArray<Value>(activation, node->items.count);
  if (items == nullptr) return Exhausted();
  size_t count = 0;
  for (uint32_t i = 0; i < node->items.count; ++i) {
    Value value = Run(node->items[i], activation);
    if (node->optional[i]) value = TakeOptional(value, activation);
    if (!value.ok()) return value;
    if (!value.is(Kind::kNone)) items[count++] = value;
  }
  return Value::List(items, count);
}

Value RunMap(const Node* self, Activation& activation) {
  const auto* node = static_cast<const ItemsNode*>(self);
  MapEntry* entries = NewArray<MapEntry>(activation, node->items.count / 2);
  if (entries == nullptr) return Exhausted();
  size_t count = 0;
  for (uint32_t i = 0; i < node->items.count; i += 2) {
    const Value key = Run(node->items[i], activation);
    if (!key.ok()) return key;
    const bool good =
        key.is(Kind::kBool) || key.is(Kind::kInt) || key.is(Kind::kUint) || key.is(Kind::kString);
    if (!good) return Fail(activation, "a map's key cannot be a ", Type{key.kind()}.ToString());
    Value value = Run(node->items[i + 1], activation);
    if (node->optional[i / 2]) value = TakeOptional(value, activation);
    if (!value.ok()) return value;
    if (value.is(Kind::kNone)) continue;
    if (!activation.TakeSteps(static_cast<int64_t>(count))) return Exhausted();
    if (!EntryAt(Value::Map(entries, count), key, &activation.arena()).is(Kind::kNone)) {
      std::string text;
      AppendText(key, &text);
      return Fail(activation, "the map has the key ", text.substr(0, 100), " twice");
    }
    entries[count++] = {key, value};
  }
  return Value::Map(entries, count);
}

}  // namespace

Node* MakeSelect(base::Arena& arena, Node* operand, std::string_view name, bool optional) {
  return arena.New<SelectNode>(Node{optional ? RunSelectOptional : RunSelect}, operand,
                               arena.Copy(name));
}
Node* MakeHas(base::Arena& arena, Node* operand, std::string_view name) {
  return arena.New<SelectNode>(Node{RunHas}, operand, arena.Copy(name));
}
Node* MakeIndex(base::Arena& arena, Node* operand, Node* index, bool optional) {
  return arena.New<IndexNode>(Node{optional ? RunIndex<true> : RunIndex<false>}, operand, index);
}
Node* MakeList(base::Arena& arena, Nodes items, const bool* optional) {
  return arena.New<ItemsNode>(Node{RunList}, items, optional);
}
Node* MakeMap(base::Arena& arena, Nodes items, const bool* optional) {
  return arena.New<ItemsNode>(Node{RunMap}, items, optional);
}

}  // namespace levada::expr
