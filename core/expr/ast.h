#pragma once

#include <deque>
#include <string>
#include <vector>

#include "core/expr/type.h"
#include "core/expr/value.h"

// An expression as written, macros expanded. Built by the parser, annotated by the checker, turned
// into nodes that can be evaluated by the builder, then forgotten.
namespace levada::expr {

enum class Macro : uint8_t {
  kAll,
  kExists,
  kExistsOne,
  kMap,
  kFilter,
  kToMap,
  kToMapEntry,
  kSortBy
};

struct Ast {
  enum class Kind : uint8_t {
    kLiteral,   // value
    kIdent,     // name; `leading_dot`: looked up from the root
    kSelect,    // args[0] . name; `optional`: .?name
    kHas,       // has(args[0] . name), or has(name) where there is no argument
    kCall,      // name(args…); `receiver`: args[0].name(args[1]…)
    kOperator,  // name is one of _+_ _-_ … !_ -_ @in _[_] _[?_] && || ?:
    kList,      // args; optional_args
    kMap,       // args: key, value, key, value …; optional_args by entry
    kMacro,     // args: range, [condition,] body; vars
    kBind,      // args: value, body; vars[0]
    kOptMap,    // args: optional, body; vars[0]; `flat` for optFlatMap
  };

  Kind kind = Kind::kLiteral;
  Macro macro = Macro::kAll;
  bool leading_dot = false;
  bool optional = false;
  bool receiver = false;
  bool flat = false;
  bool filtered = false;  // kMacro: args[1] is a condition on the elements
  uint32_t offset = 0;    // in the source, for messages
  int depth = 1;          // of the tree below, this node included
  std::string name;
  Value value;  // text is in the tree's own strings
  std::vector<Ast*> args;
  std::vector<bool> optional_args;
  std::vector<std::string> vars;

  // By the checker.
  Type type;
  enum class Source : uint8_t { kNone, kLocal, kField, kSlot, kEvent, kMeta, kMetaField, kType };
  Source source = Source::kNone;  // of a kIdent, or of a kSelect that names a variable as a whole
  int index = -1;                 // of the local, field, slot or meta field
  FieldType field_type = FieldType::kDyn;
  int locals = -1;  // of a macro or bind: index of its first variable
};

// Owns the nodes and their text.
struct Tree {
  std::deque<Ast> nodes;
  std::deque<std::string> text;
  Ast* root = nullptr;

  Ast* Add(Ast::Kind kind, uint32_t offset) {
    nodes.emplace_back();
    nodes.back().kind = kind;
    nodes.back().offset = offset;
    return &nodes.back();
  }
  std::string_view Keep(std::string value) { return text.emplace_back(std::move(value)); }
};

}  // namespace levada::expr
