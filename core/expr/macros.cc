#include "core/expr/macros.h"

#include <algorithm>

#include "core/base/strings.h"

namespace levada::expr {
namespace {

struct Comprehension {
  std::string_view name;
  Macro macro;
  size_t args;
  size_t vars;
  bool filtered;  // the argument behind the variables is a condition on the elements
};
constexpr Comprehension kComprehensions[] = {
    {"all", Macro::kAll, 2, 1, false},
    {"all", Macro::kAll, 3, 2, false},
    {"exists", Macro::kExists, 2, 1, false},
    {"exists", Macro::kExists, 3, 2, false},
    {"exists_one", Macro::kExistsOne, 2, 1, false},
    {"exists_one", Macro::kExistsOne, 3, 2, false},
    {"existsOne", Macro::kExistsOne, 2, 1, false},
    {"existsOne", Macro::kExistsOne, 3, 2, false},
    {"filter", Macro::kFilter, 2, 1, false},
    {"map", Macro::kMap, 2, 1, false},
    {"map", Macro::kMap, 3, 1, true},
    {"transformList", Macro::kMap, 3, 2, false},
    {"transformList", Macro::kMap, 4, 2, true},
    {"transformMap", Macro::kToMap, 3, 2, false},
    {"transformMap", Macro::kToMap, 4, 2, true},
    {"transformMapEntry", Macro::kToMapEntry, 3, 2, false},
    {"transformMapEntry", Macro::kToMapEntry, 4, 2, true},
    {"sortBy", Macro::kSortBy, 2, 1, false},
};

bool TakeVariable(const Ast* arg, Ast* node, std::string* error) {
  if (arg->kind != Ast::Kind::kIdent || arg->leading_dot) {
    *error = base::StrCat(node->name, ": expected a simple name as the variable");
    return false;
  }
  if (std::find(node->vars.begin(), node->vars.end(), arg->name) != node->vars.end()) {
    *error = base::StrCat(node->name, ": the two variables have the same name");
    return false;
  }
  node->vars.push_back(arg->name);
  return true;
}

}  // namespace

bool ExpandMacro(Tree* tree, Ast* target, std::string_view name, const std::vector<Ast*>& args,
                 uint32_t offset, Ast** expanded, std::string* error) {
  *expanded = nullptr;
  const auto make = [&](Ast::Kind kind) {
    Ast* node = tree->Add(kind, offset);
    node->name = name;
    return node;
  };
  if (target == nullptr) {
    if (name != "has" || args.size() != 1) return false;
    const bool bare = args[0]->kind == Ast::Kind::kIdent && !args[0]->leading_dot;
    if (!bare && args[0]->kind != Ast::Kind::kSelect) {
      *error = "has() wants a field, as in has(event.name)";
      return true;
    }
    Ast* node = make(Ast::Kind::kHas);
    node->offset = args[0]->offset;
    node->name = args[0]->name;
    node->args = args[0]->args;
    node->optional = args[0]->optional;
    *expanded = node;
    return true;
  }
  if (name == "bind" && args.size() == 3 && target->kind == Ast::Kind::kIdent &&
      target->name == "cel") {
    Ast* node = make(Ast::Kind::kBind);
    node->args = {args[1], args[2]};
    if (TakeVariable(args[0], node, error)) *expanded = node;
    return true;
  }
  if ((name == "optMap" || name == "optFlatMap") && args.size() == 2) {
    Ast* node = make(Ast::Kind::kOptMap);
    node->flat = name == "optFlatMap";
    node->args = {target, args[1]};
    if (TakeVariable(args[0], node, error)) *expanded = node;
    return true;
  }
  for (const Comprehension& it : kComprehensions) {
    if (it.name != name || it.args != args.size()) continue;
    Ast* node = make(Ast::Kind::kMacro);
    node->macro = it.macro;
    node->filtered = it.filtered;
    node->args = {target};
    for (size_t i = 0; i < it.vars; ++i) {
      if (!TakeVariable(args[i], node, error)) return true;
    }
    node->args.insert(node->args.end(), args.begin() + it.vars, args.end());
    *expanded = node;
    return true;
  }
  return false;
}

}  // namespace levada::expr
