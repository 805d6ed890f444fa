#include <algorithm>

#include "core/expr/containers.h"
#include "core/expr/meta.h"
#include "core/expr/node.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

struct ConstantNode : Node {
  Value value;
};

Value RunConstant(const Node* self, Activation&) {
  return static_cast<const ConstantNode*>(self)->value;
}

struct FieldNode : Node {
  int slot;
  FieldType type;
  std::string_view name;
};

Value FieldError(const FieldNode* node, Value value, Activation& activation) {
  if (value.is(Kind::kNone)) return Fail(activation, "no such key: ", node->name);
  return Fail(activation, node->name, ": ", value.text());
}

Value RunField(const Node* self, Activation& activation) {
  const auto* node = static_cast<const FieldNode*>(self);
  const Value value = activation.Field(node->slot, node->type);
  if (value.kind() > Kind::kError) return value;
  return FieldError(node, value, activation);
}

Value RunOptionalField(const Node* self, Activation& activation) {
  const auto* node = static_cast<const FieldNode*>(self);
  const Value value = activation.Field(node->slot, node->type);
  if (value.is(Kind::kNone)) return Value::Optional(nullptr);
  if (!value.ok()) return FieldError(node, value, activation);
  return Value::Optional(activation.arena().New<Value>(value));
}

Value RunHasField(const Node* self, Activation& activation) {
  return Value::Bool(activation.HasField(static_cast<const FieldNode*>(self)->slot));
}

Value RunSlot(const Node* self, Activation& activation) {
  const auto* node = static_cast<const FieldNode*>(self);
  const Value value = activation.Get(node->slot);
  return value.is(Kind::kNone) ? FieldError(node, value, activation) : value;
}

Value RunHasSlot(const Node* self, Activation& activation) {
  return Value::Bool(!activation.Get(static_cast<const FieldNode*>(self)->slot).is(Kind::kNone));
}

struct IndexNode : Node {
  int index;
};

Value RunLocal(const Node* self, Activation& activation) {
  return activation.local(static_cast<const IndexNode*>(self)->index);
}

Value RunMetaField(const Node* self, Activation& activation) {
  const int which = static_cast<const IndexNode*>(self)->index;
  const Value value = activation.MetaField(which);
  if (!value.is(Kind::kNone)) return value;
  return Fail(activation, "no such key: meta.", kMetaFields[which].name);
}

Value RunHasMetaField(const Node* self, Activation& activation) {
  const Value value = activation.MetaField(static_cast<const IndexNode*>(self)->index);
  return Value::Bool(!value.is(Kind::kNone));
}

Value RunMeta(const Node*, Activation& activation) {
  MapEntry* entries = activation.arena().Array<MapEntry>(std::size(kMetaFields));
  size_t count = 0;
  for (const MetaField& field : kMetaFields) {
    const Value value = activation.MetaField(static_cast<int>(field.which));
    if (!value.is(Kind::kNone)) entries[count++] = {Value::String(field.name), value};
  }
  return Value::Map(entries, count);
}

struct EventNode : Node {
  const Env::Overlay* overlay;
};

bool Has(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value RunEvent(const Node* self, Activation& activation) {
  const Env::Overlay& overlay = *static_cast<const EventNode*>(self)->overlay;
  const Value document = activation.document().empty() ? Value::Map(nullptr, 0)
                                                       : Value::JsonMap(activation.document());
  if (overlay.empty()) return document;
  if (!activation.TakeStepsForBytes(activation.document().size())) return Exhausted();
  const size_t most = static_cast<size_t>(SizeOf(document)) + overlay.slots.size();
  MapEntry* entries = NewArray<MapEntry>(activation, most);
  if (entries == nullptr) return Exhausted();
  size_t count = 0;
  ForEachEntry(document, &activation.arena(), [&](Value key, Value value) {
    const std::string_view name = key.text();
    const bool hidden = (overlay.keep_only && !Has(overlay.kept, name)) ||
                        Has(overlay.removed, name) ||
                        std::any_of(overlay.slots.begin(), overlay.slots.end(),
                                    [&](const auto& slot) { return slot.first == name; });
    if (!hidden) entries[count++] = {key, value};
    return true;
  });
  for (const auto& [name, slot] : overlay.slots) {
    const Value value = activation.Get(slot);
    if (!value.is(Kind::kNone)) entries[count++] = {Value::String(name), value};
  }
  return Value::Map(entries, count);
}

struct InnerNode : Node {
  const Node* inner;
};

Value RunToOptional(const Node* self, Activation& activation) {
  const Node* inner = static_cast<const InnerNode*>(self)->inner;
  const Value value = Run(inner, activation);
  return value.ok() ? Value::Optional(activation.arena().New<Value>(value)) : value;
}

Node* NewFieldNode(base::Arena& arena, decltype(Node::run) run, int slot, FieldType type,
                   std::string_view name) {
  return arena.New<FieldNode>(Node{run}, slot, type, arena.Copy(name));
}

}  // namespace

Node* MakeConstant(base::Arena& arena, Value value) {
  return arena.New<ConstantNode>(Node{RunConstant}, value);
}

const Value* ConstantOf(const Node* node) {
  return node->run == RunConstant ? &static_cast<const ConstantNode*>(node)->value : nullptr;
}

Node* MakeFailure(base::Arena& arena, std::string_view message) {
  return MakeConstant(arena, Value::Error(arena.Copy(message)));
}

Node* MakeField(base::Arena& arena, int slot, FieldType type, std::string_view name) {
  return NewFieldNode(arena, RunField, slot, type, name);
}
Node* MakeOptionalField(base::Arena& arena, int slot, FieldType type, std::string_view name) {
  return NewFieldNode(arena, RunOptionalField, slot, type, name);
}
Node* MakeHasField(base::Arena& arena, int slot) {
  return NewFieldNode(arena, RunHasField, slot, FieldType::kDyn, "");
}
Node* MakeSlot(base::Arena& arena, int slot, std::string_view name) {
  return NewFieldNode(arena, RunSlot, slot, FieldType::kDyn, name);
}
Node* MakeHasSlot(base::Arena& arena, int slot) {
  return NewFieldNode(arena, RunHasSlot, slot, FieldType::kDyn, "");
}
Node* MakeLocal(base::Arena& arena, int index) {
  return arena.New<IndexNode>(Node{RunLocal}, index);
}
Node* MakeMetaField(base::Arena& arena, int which) {
  return arena.New<IndexNode>(Node{RunMetaField}, which);
}
Node* MakeHasMetaField(base::Arena& arena, int which) {
  return arena.New<IndexNode>(Node{RunHasMetaField}, which);
}
Node* MakeMeta(base::Arena& arena) { return arena.New<Node>(RunMeta); }
Node* MakeEvent(base::Arena& arena, const Env::Overlay* overlay) {
  return arena.New<EventNode>(Node{RunEvent}, overlay);
}
Node* MakeToOptional(base::Arena& arena, Node* inner) {
  return arena.New<InnerNode>(Node{RunToOptional}, inner);
}

}  // namespace levada::expr
