#include "core/expr/checker.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/expr/functions.h"
#include "core/expr/meta.h"
#include "core/expr/operator_types.h"

namespace levada::expr {
namespace {

constexpr Type kBool{Kind::kBool};

// The name of a type, as a value of an expression.
bool IsTypeName(std::string_view name) {
  for (int i = static_cast<int>(Kind::kNull); i <= static_cast<int>(Kind::kCidr); ++i) {
    if (KindName(static_cast<Kind>(i)) == name) return true;
  }
  return false;
}

// a.b.c as text, where the node is only names; "" where it is not. `root`: the first of them.
std::string DottedName(const Ast* node, const Ast** root) {
  std::vector<std::string_view> names;
  while (node->kind == Ast::Kind::kSelect && !node->optional) {
    names.push_back(node->name);
    node = node->args[0];
  }
  if (node->kind != Ast::Kind::kIdent) return "";
  *root = node;
  std::string name = node->name;
  for (auto it = names.rbegin(); it != names.rend(); ++it) base::StrAppend(&name, ".", *it);
  return name;
}

class Checker {
 public:
  Checker(Env* env, Uses* uses, std::vector<Fault>* faults)
      : env_(env), uses_(uses), faults_(faults), strict_(env->mode() == Env::Mode::kStrict) {}

  void Visit(Ast* node) {
    switch (node->kind) {
      case Ast::Kind::kLiteral:
        node->type.kind = node->value.kind();
        return;
      case Ast::Kind::kIdent:
        return Ident(node);
      case Ast::Kind::kSelect:
        return Select(node);
      case Ast::Kind::kHas:
        return Has(node);
      case Ast::Kind::kCall:
        return Call(node);
      case Ast::Kind::kOperator:
        return Operator(node);
      case Ast::Kind::kList:
      case Ast::Kind::kMap:
        return Container(node);
      case Ast::Kind::kMacro:
        return Macro(node);
      case Ast::Kind::kBind:
      case Ast::Kind::kOptMap:
        return Bind(node);
    }
  }

 private:
  struct Local {
    std::string name;
    int index;
    Type type;
  };

  void Fail(const Ast* node, std::string message) {
    if (!strict_) faults_->push_back({node->offset, std::move(message)});
  }

  const Local* FindLocal(const Ast* ident) const {
    if (ident->leading_dot) return nullptr;
    for (auto it = locals_.rbegin(); it != locals_.rend(); ++it) {
      if (it->name == ident->name) return &*it;
    }
    return nullptr;
  }

  // `node` stands for `name` as a whole.
  void UseField(Ast* node, std::string_view name) {
    const Env::Name found = env_->Find(name);
    node->name = name;
    node->type = found.type;
    switch (found.source) {
      case Env::Name::Source::kSlot:
        node->source = Ast::Source::kSlot;
        node->index = found.slot;
        return;
      case Env::Name::Source::kField:
        node->source = Ast::Source::kField;
        node->index = env_->mutable_fields()->Add(name);
        node->field_type = found.field_type;
        if (std::find(uses_->fields.begin(), uses_->fields.end(), name) == uses_->fields.end()) {
          uses_->fields.emplace_back(name);
        }
        return;
      case Env::Name::Source::kRemoved:
        return Fail(node, base::StrCat("an earlier step took the field '", name, "' away"));
      case Env::Name::Source::kUnknown:
        break;
    }
    const std::string nearest = env_->Nearest(name);
    Fail(node,
         base::StrCat("no such field: '", name, "'",
                      nearest.empty() ? "" : base::StrCat("; did you mean '", nearest, "'?")));
  }

  void UseType(Ast* node, std::string name) {
    node->source = Ast::Source::kType;
    node->name = std::move(name);
    node->type = {Kind::kType};
  }

  // Strict mode: the variable or type that a dotted name stands for, container first.
  bool ResolveStrict(Ast* node, const std::string& name, bool leading_dot) {
    std::string container = leading_dot ? "" : env_->container();
    for (;;) {
      const std::string candidate = container.empty() ? name : base::StrCat(container, ".", name);
      const Env::Name found = env_->Find(candidate);
      if (found.source == Env::Name::Source::kSlot) {
        node->source = Ast::Source::kSlot;
        node->index = found.slot;
        return true;
      }
      if (IsTypeName(candidate)) {
        UseType(node, candidate);
        return true;
      }
      if (container.empty()) return false;
      const size_t dot = container.rfind('.');
      container.resize(dot == std::string::npos ? 0 : dot);
    }
  }

  void Ident(Ast* node) {
    if (const Local* local = FindLocal(node)) {
      node->source = Ast::Source::kLocal;
      node->index = local->index;
      node->type = local->type;
      return;
    }
    if (strict_) {
      ResolveStrict(node, node->name, node->leading_dot);
      return;
    }
    if (node->name == "event") {
      node->source = Ast::Source::kEvent;
      node->type = {Kind::kMap, Kind::kString, Kind::kNone};
      uses_->document = true;
      return;
    }
    if (node->name == "meta") {
      node->source = Ast::Source::kMeta;
      node->type = {Kind::kMap, Kind::kString, Kind::kNone};
      uses_->meta = true;
      return;
    }
    // The names of types are likely names of fields, too.
    if (beside_type_ && IsTypeName(node->name)) return UseType(node, node->name);
    UseField(node, node->name);
  }

  bool IsRoot(const Ast* node, std::string_view name) const {
    return !strict_ && node->kind == Ast::Kind::kIdent && node->name == name &&
           FindLocal(node) == nullptr;
  }

  void UseMeta(Ast* node) {
    uses_->meta = true;
    std::string known;
    for (const MetaField& field : kMetaFields) {
      if (field.name == node->name) {
        node->source = Ast::Source::kMetaField;
        node->index = static_cast<int>(field.which);
        node->type = field.type;
        return;
      }
      base::StrAppend(&known, known.empty() ? "" : ", ", field.name);
    }
    Fail(node, base::StrCat("meta has no '", node->name, "'; it has ", known));
  }

  void Select(Ast* node) {
    if (IsRoot(node->args[0], "event")) {
      UseField(node, node->name);
    } else if (IsRoot(node->args[0], "meta")) {
      UseMeta(node);
    } else {
      const Ast* root = nullptr;
      const std::string name = DottedName(node, &root);
      if (!name.empty() && FindLocal(root) == nullptr) {
        if (strict_ && ResolveStrict(node, name, root->leading_dot)) return;
        if (!strict_ && name.find('.') != std::string::npos && IsTypeName(name)) {
          return UseType(node, name);
        }
      }
      Visit(node->args[0]);
      node->type = SelectedType(node);
    }
    if (node->optional) node->type = {Kind::kOptional, Kind::kNone, node->type.kind};
  }

  Type SelectedType(const Ast* node) {
    const Type operand = node->args[0]->type;
    if (operand.kind == Kind::kMap) return {operand.element};
    if (operand.kind == Kind::kOptional) return {Kind::kOptional};
    if (!operand.dyn()) {
      Fail(node, base::StrCat("a value of type ", operand.ToString(), " has no field '", node->name,
                              "'"));
    }
    return Type::Dyn();
  }

  void Has(Ast* node) {
    node->type = kBool;
    if (node->args.empty()) {
      if (strict_) {
        faults_->push_back({node->offset, "has() wants a field, as in has(event.name)"});
        return;
      }
      UseField(node, node->name);
    } else if (IsRoot(node->args[0], "event")) {
      UseField(node, node->name);
    } else if (IsRoot(node->args[0], "meta")) {
      UseMeta(node);
    } else {
      Visit(node->args[0]);
      SelectedType(node);
    }
    node->type = kBool;
  }

  void Call(Ast* node) {
    if (node->receiver) {
      const Ast* root = nullptr;
      const std::string space = DottedName(node->args[0], &root);
      const std::string name = base::StrCat(space, ".", node->name);
      if (!space.empty() && FindLocal(root) == nullptr && IsFunctionName(name)) {
        node->name = name;
        node->receiver = false;
        node->args.erase(node->args.begin());
      }
    }
    const bool outside = beside_type_;
    beside_type_ = false;
    for (Ast* arg : node->args) Visit(arg);
    beside_type_ = outside;
    if (strict_) return;
    std::string error;
    node->type = CallType(*node, &error);
    if (!error.empty()) Fail(node, std::move(error));
  }

  void Operator(Ast* node) {
    const bool index = node->name == "_[_]" || node->name == "_[?_]";
    if (index && IsRoot(node->args[0], "event") && node->args[1]->kind == Ast::Kind::kLiteral &&
        node->args[1]->value.is(Kind::kString)) {
      node->optional = node->name == "_[?_]";
      UseField(node, node->args[1]->value.text());
      if (node->optional) node->type = {Kind::kOptional, Kind::kNone, node->type.kind};
      return;
    }
    const bool outside = beside_type_;
    beside_type_ = std::any_of(node->args.begin(), node->args.end(), [](const Ast* arg) {
      return arg->kind == Ast::Kind::kCall && arg->name == "type" && !arg->receiver;
    });
    for (Ast* arg : node->args) Visit(arg);
    beside_type_ = outside;
    if (strict_) return;
    std::string error;
    node->type = OperatorType(*node, &error);
    if (!error.empty()) Fail(node, std::move(error));
  }

  // The kind that all of them have, kNone where they differ.
  static Kind Common(const std::vector<Ast*>& nodes, size_t first, size_t step) {
    Kind common = Kind::kNone;
    for (size_t i = first; i < nodes.size(); i += step) {
      const Kind kind = nodes[i]->type.kind;
      if (i == first) common = kind;
      if (kind != common) return Kind::kNone;
    }
    return common;
  }

  void Container(Ast* node) {
    for (Ast* arg : node->args) Visit(arg);
    const bool any_optional = std::find(node->optional_args.begin(), node->optional_args.end(),
                                        true) != node->optional_args.end();
    if (node->kind == Ast::Kind::kList) {
      const Kind element = any_optional ? Kind::kNone : Common(node->args, 0, 1);
      node->type = {Kind::kList, Kind::kNone, element};
      return;
    }
    const Kind value = any_optional ? Kind::kNone : Common(node->args, 1, 2);
    node->type = {Kind::kMap, Common(node->args, 0, 2), value};
    for (size_t i = 0; i < node->args.size(); i += 2) {
      const Kind key = node->args[i]->type.kind;
      const bool good = key == Kind::kNone || key == Kind::kBool || key == Kind::kInt ||
                        key == Kind::kUint || key == Kind::kString;
      if (!good) {
        Fail(node->args[i], base::StrCat("a map's key cannot be a ", Type{key}.ToString(),
                                         "; it is a bool, int, uint or string"));
      }
    }
  }

  void Macro(Ast* node) {
    Visit(node->args[0]);
    const Type range = node->args[0]->type;
    const bool map = range.kind == Kind::kMap;
    const bool two = node->vars.size() == 2;
    // One variable: the element of a list, the key of a map. Two: index and element, key and value.
    Type first{map ? range.key : range.element};
    if (two && !map) first = range.dyn() ? Type::Dyn() : Type{Kind::kInt};
    if (range.dyn()) first = Type::Dyn();
    PushLocals(node);
    locals_[locals_.size() - node->vars.size()].type = first;
    if (two) locals_.back().type = Type{range.element};
    for (size_t i = 1; i < node->args.size(); ++i) Visit(node->args[i]);
    PopLocals(node);
    std::string error;
    const Ast* where = node;
    node->type = MacroType(*node, &where, &error);
    if (!error.empty()) Fail(where, std::move(error));
  }

  void Bind(Ast* node) {
    Visit(node->args[0]);
    const Type value = node->args[0]->type;
    const bool optional = node->kind == Ast::Kind::kOptMap;
    PushLocals(node);
    locals_.back().type = optional ? Type{value.element} : value;
    Visit(node->args[1]);
    PopLocals(node);
    if (optional && !value.dyn() && value.kind != Kind::kOptional) {
      Fail(node, base::StrCat(node->name, "() wants an optional, found ", value.ToString()));
    }
    const Type body = node->args[1]->type;
    node->type = !optional    ? body
                 : node->flat ? Type{Kind::kOptional}
                              : Type{Kind::kOptional, Kind::kNone, body.kind};
  }

  void PushLocals(Ast* node) {
    node->locals = static_cast<int>(locals_.size());
    for (const std::string& name : node->vars) {
      locals_.push_back({name, static_cast<int>(locals_.size()), Type::Dyn()});
    }
    uses_->locals = std::max(uses_->locals, static_cast<int>(locals_.size()));
  }
  void PopLocals(const Ast* node) { locals_.resize(locals_.size() - node->vars.size()); }

  Env* env_;
  Uses* uses_;
  std::vector<Fault>* faults_;
  bool strict_;
  bool beside_type_ = false;  // an operator with type(…) on one side: type(x) == string
  std::vector<Local> locals_;
};

}  // namespace

void Check(Tree* tree, Env* env, Uses* uses, std::vector<Fault>* faults) {
  Checker(env, uses, faults).Visit(tree->root);
}

}  // namespace levada::expr
