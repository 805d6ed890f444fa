#include <re2/re2.h>

#include "core/expr/containers.h"
#include "core/expr/node.h"
#include "core/expr/sort.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

struct CallNode : Node {
  std::span<const Function* const> overloads;
  Nodes args;
  bool widen;
};

constexpr size_t kInlineArguments = 8;

Value RunCall(const Node* self, Activation& activation) {
  const auto* node = static_cast<const CallNode*>(self);
  Value inlined[kInlineArguments];
  Value* args = inlined;
  if (node->args.count > kInlineArguments) {
    args = NewArray<Value>(activation, node->args.count);
    if (args == nullptr) return Exhausted();
  }
  for (uint32_t i = 0; i < node->args.count; ++i) {
    args[i] = Run(node->args[i], activation);
    if (!args[i].ok()) return args[i];
  }
  return CallFunction(node->overloads, args, node->args.count, node->widen, activation);
}

struct MatchesNode : Node {
  const Node* text;
  const re2::RE2* regex;
};

Value RunMatches(const Node* self, Activation& activation) {
  const auto* node = static_cast<const MatchesNode*>(self);
  const Value text = Run(node->text, activation);
  if (text.is(Kind::kString)) {
    if (!activation.TakeStepsForBytes(text.text().size())) return Exhausted();
    return Value::Bool(RegexMatches(*node->regex, text.text()));
  }
  return text.ok() ? NoOverload("matches", &text, 1, activation) : text;
}

struct MacroNode : Node {
  const Node* range;
  const Node* condition;  // null where all elements are taken
  const Node* body;       // null for a filter
  int first;              // local of the first variable
  bool two;               // there is a second one behind it
};

// Calls visit(first, second) for each element with the variables set; false ends the walk. What
// ended it early, or kNone.
template <typename Visit>
Value ForEach(const MacroNode* node, Activation& activation, Value* range, Visit&& visit) {
  Value end;
  const auto step = [&](Value first, Value second) {
    if (!activation.TakeSteps(1)) {
      end = Exhausted();
      return false;
    }
    activation.local(node->first) = first;
    if (node->two) activation.local(node->first + 1) = second;
    return visit(first, second, &end);
  };
  if (range->is(Kind::kList)) {
    ForEachItem(*range, &activation.arena(), [&](int64_t index, Value item) {
      return node->two ? step(Value::Int(index), item) : step(item, item);
    });
  } else {
    ForEachEntry(*range, &activation.arena(), step);
  }
  return end;
}

// The list or map that the macro goes over, or an error.
Value Range(const MacroNode* node, Activation& activation) {
  const Value range = Run(node->range, activation);
  if (!range.ok()) return range;
  if (range.is(Kind::kList) || range.is(Kind::kMap)) {
    const bool json = range.store() == Value::Store::kJson;
    if (json && !activation.TakeStepsForBytes(range.json().size())) return Exhausted();
    return range;
  }
  return Fail(activation, "a macro wants a list or a map, found ", Type{range.kind()}.ToString());
}

Value NotBool(Value value, Activation& activation) {
  if (!value.ok()) return value;
  return Fail(activation, "the condition of a macro is a ", Type{value.kind()}.ToString(),
              ", not a bool");
}

// all (deciding: false) and exists (deciding: true): as && and ||, errors give way to the element
// that decides.
template <bool deciding>
Value RunAllOrExists(const Node* self, Activation& activation) {
  const auto* node = static_cast<const MacroNode*>(self);
  Value range = Range(node, activation);
  if (!range.ok()) return range;
  Value problem;
  const Value end = ForEach(node, activation, &range, [&](Value, Value, Value* result) {
    const Value value = Run(node->body, activation);
    if (value.is(Kind::kBool)) {
      if (value.boolean() != deciding) return true;
      *result = value;
      return false;
    }
    if (problem.is(Kind::kNone)) problem = NotBool(value, activation);
    return true;
  });
  if (!end.is(Kind::kNone)) return end;
  return problem.is(Kind::kNone) ? Value::Bool(!deciding) : problem;
}

Value RunExistsOne(const Node* self, Activation& activation) {
  const auto* node = static_cast<const MacroNode*>(self);
  Value range = Range(node, activation);
  if (!range.ok()) return range;
  int64_t count = 0;
  const Value end = ForEach(node, activation, &range, [&](Value, Value, Value* result) {
    const Value value = Run(node->body, activation);
    if (!value.is(Kind::kBool)) {
      *result = NotBool(value, activation);
      return false;
    }
    count += value.boolean();
    return true;
  });
  return end.is(Kind::kNone) ? Value::Bool(count == 1) : end;
}

// Whether an element passes the condition; false with `*result` set where that is no bool.
bool Passes(const MacroNode* node, Activation& activation, bool* passes, Value* result) {
  *passes = true;
  if (node->condition == nullptr) return true;
  const Value value = Run(node->condition, activation);
  if (!value.is(Kind::kBool)) {
    *result = NotBool(value, activation);
    return false;
  }
  *passes = value.boolean();
  return true;
}

// map, filter, transformList
Value RunMap(const Node* self, Activation& activation) {
  const auto* node = static_cast<const MacroNode*>(self);
  Value range = Range(node, activation);
  if (!range.ok()) return range;
  Value* items = NewArray<Value>(activation, static_cast<size_t>(SizeOf(range)));
  if (items == nullptr) return Exhausted();
  size_t count = 0;
  const Value end = ForEach(node, activation, &range, [&](Value first, Value, Value* result) {
    bool passes = false;
    if (!Passes(node, activation, &passes, result)) return false;
    if (!passes) return true;
    items[count] = node->body == nullptr ? first : Run(node->body, activation);
    if (!items[count].ok()) *result = items[count];
    ++count;
    return result->is(Kind::kNone);
  });
  return end.is(Kind::kNone) ? Value::List(items, count) : end;
}

// transformMap: the keys stay
Value RunToMap(const Node* self, Activation& activation) {
  const auto* node = static_cast<const MacroNode*>(self);
  Value range = Range(node, activation);
  if (!range.ok()) return range;
  MapEntry* entries = NewArray<MapEntry>(activation, static_cast<size_t>(SizeOf(range)));
  if (entries == nullptr) return Exhausted();
  size_t count = 0;
  const Value end = ForEach(node, activation, &range, [&](Value key, Value, Value* result) {
    bool passes = false;
    if (!Passes(node, activation, &passes, result)) return false;
    if (!passes) return true;
    const Value value = Run(node->body, activation);
    entries[count++] = {key, value};
    if (!value.ok()) *result = value;
    return value.ok();
  });
  return end.is(Kind::kNone) ? Value::Map(entries, count) : end;
}

// transformMapEntry: the body is a map, whose entries are added
Value RunToMapEntry(const Node* self, Activation& activation) {
  const auto* node = static_cast<const MacroNode*>(self);
  Value range = Range(node, activation);
  if (!range.ok()) return range;
  std::vector<MapEntry> entries;
  const Value end = ForEach(node, activation, &range, [&](Value, Value, Value* result) {
    bool passes = false;
    if (!Passes(node, activation, &passes, result)) return false;
    if (!passes) return true;
    const Value added = Run(node->body, activation);
    if (!added.is(Kind::kMap)) {
      *result = added.ok() ? NoOverload("transformMapEntry", &added, 1, activation) : added;
      return false;
    }
    for (const MapEntry& entry : Entries(added, activation)) {
      const Value map = Value::Map(entries.data(), entries.size());
      if (!activation.TakeSteps(static_cast<int64_t>(entries.size()))) {
        *result = Exhausted();
      } else if (!EntryAt(map, entry.key, &activation.arena()).is(Kind::kNone)) {
        *result = Value::Error("transformMapEntry: a key came twice");
      } else {
        entries.push_back(entry);
      }
      if (!result->is(Kind::kNone)) return false;
    }
    return true;
  });
  if (!end.is(Kind::kNone)) return end;
  MapEntry* kept = NewArray<MapEntry>(activation, entries.size());
  if (kept == nullptr) return Exhausted();
  std::copy(entries.begin(), entries.end(), kept);
  return Value::Map(kept, entries.size());
}

Value RunSortBy(const Node* self, Activation& activation) {
  const auto* node = static_cast<const MacroNode*>(self);
  const Value range = Range(node, activation);
  if (!range.ok()) return range;
  if (!range.is(Kind::kList)) return NoOverload("sortBy", &range, 1, activation);
  const auto items = Items(range, activation);
  Value list = Value::List(items.data(), items.size());
  Value* keys = NewArray<Value>(activation, items.size());
  if (keys == nullptr) return Exhausted();
  size_t count = 0;
  const Value end = ForEach(node, activation, &list, [&](Value, Value, Value* result) {
    keys[count] = Run(node->body, activation);
    if (!keys[count].ok()) *result = keys[count];
    ++count;
    return result->is(Kind::kNone);
  });
  return end.is(Kind::kNone) ? SortBy(items, {keys, count}, activation) : end;
}

struct BindNode : Node {
  int local;
  const Node* value;
  const Node* body;
};

// The value is an error where it is used, not where it is bound.
Value RunBind(const Node* self, Activation& activation) {
  const auto* node = static_cast<const BindNode*>(self);
  activation.local(node->local) = Run(node->value, activation);
  return Run(node->body, activation);
}

template <bool flat>
Value RunOptMap(const Node* self, Activation& activation) {
  const auto* node = static_cast<const BindNode*>(self);
  const Value optional = Run(node->value, activation);
  if (!optional.ok()) return optional;
  if (!optional.is(Kind::kOptional)) {
    return NoOverload(flat ? "optFlatMap" : "optMap", &optional, 1, activation);
  }
  if (optional.optional() == nullptr) return optional;
  activation.local(node->local) = *optional.optional();
  const Value value = Run(node->body, activation);
  if (flat || !value.ok()) return value;
  return Value::Optional(activation.arena().New<Value>(value));
}

struct OrElseNode : Node {
  const Node* optional;
  const Node* other;
  bool value;
};

Value RunOrElse(const Node* self, Activation& activation) {
  const auto* node = static_cast<const OrElseNode*>(self);
  const Value optional = Run(node->optional, activation);
  if (!optional.ok()) return optional;
  if (!optional.is(Kind::kOptional)) {
    return NoOverload(node->value ? "orValue" : "or", &optional, 1, activation);
  }
  if (optional.optional() != nullptr) return node->value ? *optional.optional() : optional;
  const Value other = Run(node->other, activation);
  if (!other.ok() || node->value || other.is(Kind::kOptional)) return other;
  return NoOverload("or", &other, 1, activation);
}

}  // namespace

Node* MakeCall(base::Arena& arena, std::span<const Function* const> overloads, Nodes args,
               bool widen) {
  return arena.New<CallNode>(Node{RunCall}, overloads, args, widen);
}

Node* MakeMatches(base::Arena& arena, Node* text, const re2::RE2* regex) {
  return arena.New<MatchesNode>(Node{RunMatches}, text, regex);
}

Node* MakeMacro(base::Arena& arena, const Ast& ast, Nodes args) {
  decltype(Node::run) run = nullptr;
  switch (ast.macro) {
    case Macro::kAll:
      run = RunAllOrExists<false>;
      break;
    case Macro::kExists:
      run = RunAllOrExists<true>;
      break;
    case Macro::kExistsOne:
      run = RunExistsOne;
      break;
    case Macro::kMap:
    case Macro::kFilter:
      run = RunMap;
      break;
    case Macro::kToMap:
      run = RunToMap;
      break;
    case Macro::kToMapEntry:
      run = RunToMapEntry;
      break;
    case Macro::kSortBy:
      run = RunSortBy;
      break;
  }
  const bool filter = ast.macro == Macro::kFilter;
  const Node* condition = filter || ast.filtered ? args[1] : nullptr;
  const Node* body = filter ? nullptr : args[args.count - 1];
  return arena.New<MacroNode>(Node{run}, args[0], condition, body, ast.locals,
                              ast.vars.size() == 2);
}

Node* MakeBind(base::Arena& arena, int local, Node* value, Node* body) {
  return arena.New<BindNode>(Node{RunBind}, local, value, body);
}

Node* MakeOrElse(base::Arena& arena, Node* optional, Node* other, bool value) {
  return arena.New<OrElseNode>(Node{RunOrElse}, optional, other, value);
}

Node* MakeOptMap(base::Arena& arena, int local, Node* optional, Node* body, bool flat) {
  return arena.New<BindNode>(Node{flat ? RunOptMap<true> : RunOptMap<false>}, local, optional,
                             body);
}

}  // namespace levada::expr
