#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "core/base/arena.h"
#include "core/expr/activation.h"
#include "core/expr/arithmetic.h"
#include "core/expr/ast.h"
#include "core/expr/functions.h"
#include "core/expr/program.h"

namespace re2 {
class RE2;
}

// What is evaluated: a tree of nodes, each a function and what it works on. Nodes are made once,
// by the Make… functions, in the program's own arena, and never change.
namespace levada::expr {

struct Node {
  Value (*run)(const Node* self, Activation& activation);
};

inline Value Run(const Node* node, Activation& activation) { return node->run(node, activation); }

struct Nodes {
  Node** items = nullptr;
  uint32_t count = 0;
  Node* operator[](size_t i) const { return items[i]; }
  Node** begin() const { return items; }
  Node** end() const { return items + count; }
};

// A program's own memory, and what needs a destructor.
struct Program::Code {
  Code();
  ~Code();
  base::Arena arena{4096};
  std::vector<std::unique_ptr<re2::RE2>> regexes;
  std::vector<std::unique_ptr<absl::flat_hash_set<absl::string_view>>> sets;
  std::vector<std::unique_ptr<Env::Overlay>> overlays;
  const Node* root = nullptr;
  std::string source;
  Type type;
  std::vector<std::string> fields;
  int locals = 0;
  bool uses_meta = false;
  bool uses_document = false;
  bool constant = false;
  int copied_field = -1;  // the expression is this field of the event and nothing else
};

// ----- nodes_value.cc: where values come from -----
Node* MakeConstant(base::Arena& arena, Value value);
const Value* ConstantOf(const Node* node);  // null for any other node
Node* MakeField(base::Arena& arena, int slot, FieldType type, std::string_view name);
Node* MakeHasField(base::Arena& arena, int slot);
Node* MakeOptionalField(base::Arena& arena, int slot, FieldType type, std::string_view name);
Node* MakeSlot(base::Arena& arena, int slot, std::string_view name);
Node* MakeHasSlot(base::Arena& arena, int slot);
Node* MakeLocal(base::Arena& arena, int index);
Node* MakeMetaField(base::Arena& arena, int which);
Node* MakeHasMetaField(base::Arena& arena, int which);
Node* MakeMeta(base::Arena& arena);
Node* MakeEvent(base::Arena& arena, const Env::Overlay* overlay);
Node* MakeFailure(base::Arena& arena, std::string_view message);
Node* MakeToOptional(base::Arena& arena, Node* inner);  // kNone: optional.none()

// ----- nodes_access.cc: fields, elements, new lists and maps -----
Node* MakeSelect(base::Arena& arena, Node* operand, std::string_view name, bool optional);
Node* MakeHas(base::Arena& arena, Node* operand, std::string_view name);
Node* MakeIndex(base::Arena& arena, Node* operand, Node* index, bool optional);
// `optional[i]`: the item is an optional, left out where it has no value.
Node* MakeList(base::Arena& arena, Nodes items, const bool* optional);
Node* MakeMap(base::Arena& arena, Nodes items, const bool* optional);

// ----- nodes_operator.cc -----
Node* MakeAnd(base::Arena& arena, Nodes args);
Node* MakeOr(base::Arena& arena, Nodes args);
Node* MakeNot(base::Arena& arena, Node* arg);
Node* MakeNegate(base::Arena& arena, Node* arg);
Node* MakeConditional(base::Arena& arena, Node* condition, Node* yes, Node* no);
Node* MakeEqual(base::Arena& arena, Node* left, Node* right, bool negated);
Node* MakeCompare(base::Arena& arena, std::string_view symbol, Node* left, Node* right);
Node* MakeArithmetic(base::Arena& arena, char symbol, Node* left, Node* right, bool widen);
Node* MakeIn(base::Arena& arena, Node* needle, Node* range);
Node* MakeInSet(base::Arena& arena, Node* needle,
                const absl::flat_hash_set<absl::string_view>* set);

// ----- nodes_call.cc -----
Node* MakeCall(base::Arena& arena, std::span<const Function* const> overloads, Nodes args,
               bool widen);
Node* MakeMatches(base::Arena& arena, Node* text, const re2::RE2* regex);
Node* MakeMacro(base::Arena& arena, const Ast& ast, Nodes args);
Node* MakeBind(base::Arena& arena, int local, Node* value, Node* body);
// optional.or(other), optional.orValue(other): `other` is evaluated where it is needed only.
Node* MakeOrElse(base::Arena& arena, Node* optional, Node* other, bool value);
Node* MakeOptMap(base::Arena& arena, int local, Node* optional, Node* body, bool flat);

}  // namespace levada::expr
