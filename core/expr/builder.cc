// From the checked tree to nodes: constants are computed now, common shapes get nodes of their own.
#include "core/expr/builder.h"

#include <re2/re2.h>

#include <algorithm>

#include "core/base/strings.h"
#include "core/expr/containers.h"
#include "core/expr/node.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

// Lists of texts longer than this are looked up by hash.
constexpr size_t kLongList = 8;

}  // namespace

Program::Code::Code() = default;
Program::Code::~Code() = default;

class Builder {
 public:
  Builder(Program::Code* code, const Env& env, std::vector<Fault>* faults)
      : code_(code),
        arena_(code->arena),
        env_(env),
        faults_(faults),
        strict_(env.mode() == Env::Mode::kStrict),
        constants_(Env(Env::Mode::kStrict), &code->arena) {
    constants_.Begin();
  }

  Node* Build(const Ast& ast) {
    switch (ast.kind) {
      case Ast::Kind::kLiteral:
        return MakeConstant(arena_, Keep(ast.value));
      case Ast::Kind::kIdent:
        return Named(ast);
      case Ast::Kind::kSelect:
        if (ast.source != Ast::Source::kNone) return Named(ast);
        return Select(ast);
      case Ast::Kind::kHas:
        return Has(ast);
      case Ast::Kind::kCall:
        return Call(ast);
      case Ast::Kind::kOperator:
        if (ast.source != Ast::Source::kNone) return Named(ast);
        return Operator(ast);
      case Ast::Kind::kList:
      case Ast::Kind::kMap:
        return Container(ast);
      case Ast::Kind::kMacro:
        return MakeMacro(arena_, ast, Args(ast));
      case Ast::Kind::kBind:
        return MakeBind(arena_, ast.locals, Build(*ast.args[0]), Build(*ast.args[1]));
      case Ast::Kind::kOptMap:
        return MakeOptMap(arena_, ast.locals, Build(*ast.args[0]), Build(*ast.args[1]), ast.flat);
    }
    return nullptr;
  }

 private:
  // Text of the source outlives the tree.
  Value Keep(Value value) {
    if (value.is(Kind::kString)) return Value::String(arena_.Copy(value.text()));
    if (value.is(Kind::kBytes)) return Value::Bytes(arena_.Copy(value.text()));
    return value;
  }

  Nodes Args(const Ast& ast) {
    Nodes nodes{arena_.Array<Node*>(ast.args.size()), static_cast<uint32_t>(ast.args.size())};
    for (size_t i = 0; i < ast.args.size(); ++i) nodes.items[i] = Build(*ast.args[i]);
    return nodes;
  }

  static bool AllConstant(Nodes args) {
    return std::all_of(args.begin(), args.end(), [](const Node* node) {
      const Value* value = ConstantOf(node);
      return value != nullptr && value->ok();
    });
  }

  // The node's value instead of the node, where its arguments are constants. An error stays for
  // the evaluation, which may never get to it.
  Node* Fold(Node* node, Nodes args) {
    if (!AllConstant(args)) return node;
    constants_.StartEvaluation(0);
    const Value value = Run(node, constants_);
    return value.ok() && !constants_.exhausted() ? MakeConstant(arena_, value) : node;
  }

  Node* Named(const Ast& ast) {
    switch (ast.source) {
      case Ast::Source::kLocal:
        return MakeLocal(arena_, ast.index);
      case Ast::Source::kField:
        if (ast.optional) return MakeOptionalField(arena_, ast.index, ast.field_type, ast.name);
        return MakeField(arena_, ast.index, ast.field_type, ast.name);
      case Ast::Source::kSlot:
        return MakeSlot(arena_, ast.index, ast.name);
      case Ast::Source::kEvent:
        code_->overlays.push_back(std::make_unique<Env::Overlay>(env_.overlay()));
        return MakeEvent(arena_, code_->overlays.back().get());
      case Ast::Source::kMeta:
        return MakeMeta(arena_);
      case Ast::Source::kMetaField:
        return MakeMetaField(arena_, ast.index);
      case Ast::Source::kType:
        return MakeConstant(arena_, Value::OfType(arena_.Copy(ast.name)));
      case Ast::Source::kNone:
        break;
    }
    return MakeFailure(arena_, base::StrCat("no such attribute: ", ast.name));
  }

  Node* Has(const Ast& ast) {
    switch (ast.source) {
      case Ast::Source::kField:
        return MakeHasField(arena_, ast.index);
      case Ast::Source::kSlot:
        return MakeHasSlot(arena_, ast.index);
      case Ast::Source::kMetaField:
        return MakeHasMetaField(arena_, ast.index);
      default:
        break;
    }
    if (ast.args.empty()) return MakeFailure(arena_, "has() wants a field");
    const Nodes args = Args(ast);
    return Fold(MakeHas(arena_, args[0], ast.name), args);
  }

  Node* Select(const Ast& ast) {
    const Nodes args = Args(ast);
    return Fold(MakeSelect(arena_, args[0], ast.name, ast.optional), args);
  }

  Node* Container(const Ast& ast) {
    const Nodes args = Args(ast);
    bool* optional = arena_.Array<bool>(ast.optional_args.size());
    std::copy(ast.optional_args.begin(), ast.optional_args.end(), optional);
    return Fold(ast.kind == Ast::Kind::kList ? MakeList(arena_, args, optional)
                                             : MakeMap(arena_, args, optional),
                args);
  }

  Node* Call(const Ast& ast) {
    const auto overloads = FindFunctions(ast.name, ast.receiver);
    if (overloads.empty()) {
      return MakeFailure(arena_, base::StrCat("no such function: ", ast.name));
    }
    const Nodes args = Args(ast);
    if (ast.name == "matches" && args.count == 2) {
      const Value* pattern = ConstantOf(args[1]);
      if (pattern != nullptr && pattern->is(Kind::kString)) return Matches(ast, args, *pattern);
    }
    if (!strict_) CheckConstants(ast, overloads, args);
    const bool alternative = ast.receiver && (ast.name == "or" || ast.name == "orValue");
    if (alternative && args.count == 2) {
      return Fold(MakeOrElse(arena_, args[0], args[1], ast.name == "orValue"), args);
    }
    Node* node = MakeCall(arena_, overloads, args, !strict_);
    Node* folded = Fold(node, args);
    // A call with constant arguments that fails can do nothing else.
    if (!strict_ && folded == node && AllConstant(args)) {
      constants_.StartEvaluation(0);
      faults_->push_back({ast.offset, std::string(Run(node, constants_).text())});
    }
    return folded;
  }

  void CheckConstants(const Ast& ast, std::span<const Function* const> overloads, Nodes args) {
    if (AllConstant(args)) return;  // evaluated, which tells more
    for (const Function* function : overloads) {
      if (function->check == nullptr || function->count != args.count) continue;
      for (uint32_t i = 0; i < args.count; ++i) {
        const Value* value = ConstantOf(args[i]);
        if (value == nullptr || !value->ok()) continue;
        std::string problem = function->check(i, *value);
        if (problem.empty()) continue;
        faults_->push_back({ast.args[i]->offset, std::move(problem)});
        return;
      }
    }
  }

  Node* Matches(const Ast& ast, Nodes args, Value pattern) {
    auto regex = CompileRegex(pattern.text());
    if (regex == nullptr) {
      const std::string message =
          base::StrCat("not a regular expression: '", pattern.text().substr(0, 60), "'");
      if (!strict_) faults_->push_back({ast.args[1]->offset, message});
      return MakeFailure(arena_, message);
    }
    code_->regexes.push_back(std::move(regex));
    return Fold(MakeMatches(arena_, args[0], code_->regexes.back().get()), args);
  }

  Node* Operator(const Ast& ast) {
    const Nodes args = Args(ast);
    return Fold(MakeOperator(ast, args), args);
  }

  Node* MakeOperator(const Ast& ast, Nodes args) {
    const std::string& name = ast.name;
    if (name == "&&") return MakeAnd(arena_, args);
    if (name == "||") return MakeOr(arena_, args);
    if (name == "!_") return MakeNot(arena_, args[0]);
    if (name == "-_") return MakeNegate(arena_, args[0]);
    if (name == "?:") return MakeConditional(arena_, args[0], args[1], args[2]);
    if (name == "_[_]") return MakeIndex(arena_, args[0], args[1], false);
    if (name == "_[?_]") return MakeIndex(arena_, args[0], args[1], true);
    if (name == "@in") return In(args[0], args[1]);
    if (name == "_==_" || name == "_!=_") {
      return MakeEqual(arena_, args[0], args[1], name == "_!=_");
    }
    if (name[1] == '<' || name[1] == '>') return MakeCompare(arena_, name, args[0], args[1]);
    return MakeArithmetic(arena_, name[1], args[0], args[1], !strict_);
  }

  Node* In(Node* needle, Node* range) {
    const Value* list = ConstantOf(range);
    if (list != nullptr && list->is(Kind::kList)) {
      const std::span<const Value> items(list->items(), list->count());
      auto set = std::make_unique<absl::flat_hash_set<absl::string_view>>();
      for (const Value& item : items) {
        if (item.is(Kind::kString)) set->insert(base::AbslView(item.text()));
      }
      if (items.size() > kLongList && set->size() == items.size()) {
        code_->sets.push_back(std::move(set));
        return MakeInSet(arena_, needle, code_->sets.back().get());
      }
    }
    return MakeIn(arena_, needle, range);
  }

  Program::Code* code_;
  base::Arena& arena_;
  const Env& env_;
  std::vector<Fault>* faults_;
  bool strict_;
  Activation constants_;
};

std::unique_ptr<Program::Code> BuildCode(const Tree& tree, const Env& env, Uses uses,
                                         std::vector<Fault>* faults) {
  auto code = std::make_unique<Program::Code>();
  const Ast& root = *tree.root;
  code->root = Builder(code.get(), env, faults).Build(root);
  code->type = root.type;
  code->fields = std::move(uses.fields);
  code->locals = uses.locals;
  code->uses_meta = uses.meta;
  code->uses_document = uses.document;
  code->constant = ConstantOf(code->root) != nullptr;
  if (root.source == Ast::Source::kField && !root.optional && root.kind != Ast::Kind::kHas) {
    code->copied_field = root.index;
  }
  return code;
}

}  // namespace levada::expr
