#include "core/expr/operator_types.h"

#include "core/base/strings.h"
#include "core/expr/compare.h"
#include "core/expr/functions.h"

namespace levada::expr {
namespace {

constexpr Type kBool{Kind::kBool};

bool IsNumber(Type type) { return type.kind >= Kind::kInt && type.kind <= Kind::kDouble; }
bool MayBe(Type type, Kind kind) { return type.dyn() || type.kind == kind; }

// The operator as it is written: "_<=_" → "<=".
std::string Written(std::string_view name) {
  if (name == "@in") return "in";
  std::string symbol;
  for (const char c : name) {
    if (c != '_') symbol.push_back(c);
  }
  return symbol;
}

std::string NoOverload(const Ast& node, std::string_view hint = "") {
  std::string message;
  if (node.args.size() == 1) {
    message =
        base::StrCat("'", Written(node.name), "' does not take a ", node.args[0]->type.ToString());
  } else {
    message = base::StrCat("'", Written(node.name), "' does not take ",
                           node.args[0]->type.ToString(), " and ", node.args[1]->type.ToString());
  }
  if (!hint.empty()) base::StrAppend(&message, "; ", hint);
  return message;
}

// A string where a time is meant is the likeliest slip.
std::string_view TimeHint(Type a, Type b) {
  for (const auto& [time, text] : {std::pair{a, b}, std::pair{b, a}}) {
    if (text.kind != Kind::kString) continue;
    if (time.kind == Kind::kTimestamp) return "write timestamp(\"2026-01-31T00:00:00Z\")";
    if (time.kind == Kind::kDuration) return "write duration(\"1h\")";
  }
  return "";
}

Type ArithmeticType(const Ast& node, std::string* error) {
  const Type a = node.args[0]->type, b = node.args[1]->type;
  const char op = node.name[1];
  if (a.dyn() || b.dyn()) {
    const Type known = a.dyn() ? b : a;
    const bool numbers = IsNumber(known);
    const bool times = known.kind == Kind::kTimestamp || known.kind == Kind::kDuration;
    const bool joins =
        known.kind == Kind::kString || known.kind == Kind::kBytes || known.kind == Kind::kList;
    if (!known.dyn() && !numbers && !(times && (op == '+' || op == '-')) && !(joins && op == '+')) {
      *error = NoOverload(node);
    }
    if (known.kind == Kind::kDouble && op == '%') *error = NoOverload(node, "use int()");
    // An unknown number beside a double is a double either way.
    if (known.kind == Kind::kDouble) return known;
    if (joins && known.kind != Kind::kList) return known;
    return Type::Dyn();
  }
  if (IsNumber(a) && IsNumber(b)) {
    const bool real = a.kind == Kind::kDouble || b.kind == Kind::kDouble;
    if (op == '%' && real) {
      *error = NoOverload(node, "use int()");
    } else if (!real && a.kind != b.kind) {
      *error = NoOverload(node, "use int() or uint()");
    }
    return real ? Type{Kind::kDouble} : a;
  }
  if (op == '+') {
    if (a.kind == Kind::kList && b.kind == Kind::kList) return a == b ? a : Type{Kind::kList};
    if (a.kind == b.kind && (a.kind == Kind::kString || a.kind == Kind::kBytes)) return a;
    if (a.kind == Kind::kDuration && b.kind == Kind::kTimestamp) return b;
  }
  if ((op == '+' || op == '-') && b.kind == Kind::kDuration &&
      (a.kind == Kind::kTimestamp || a.kind == Kind::kDuration)) {
    return a;
  }
  if (op == '-' && a.kind == Kind::kTimestamp && b.kind == Kind::kTimestamp) {
    return {Kind::kDuration};
  }
  const bool text = op == '+' && (a.kind == Kind::kString || b.kind == Kind::kString);
  *error = NoOverload(node, text ? "use string()" : "");
  return Type::Dyn();
}

// Any field may be null, so that null can be compared with anything.
bool Comparable(Type a, Type b) {
  return a.dyn() || b.dyn() || a.kind == b.kind || (IsNumber(a) && IsNumber(b)) ||
         a.kind == Kind::kNull || b.kind == Kind::kNull;
}

Type InType(const Ast& node, std::string* error) {
  const Type needle = node.args[0]->type, range = node.args[1]->type;
  const bool container = range.kind == Kind::kList || range.kind == Kind::kMap;
  if (range.kind == Kind::kString) {
    *error = NoOverload(node, "use contains()");
  } else if (!range.dyn() && !container) {
    *error = NoOverload(node, "the right side is a list or a map");
  } else if (container &&
             !Comparable(needle, {range.kind == Kind::kList ? range.element : range.key})) {
    *error = NoOverload(node);
  }
  return kBool;
}

Type IndexType(const Ast& node, std::string* error) {
  const Type operand = node.args[0]->type, index = node.args[1]->type;
  Type element = Type::Dyn();
  if (operand.kind == Kind::kList) {
    element = {operand.element};
    if (!index.dyn() && !IsNumber(index)) {
      *error = base::StrCat("a list is indexed by an int, found ", index.ToString());
    }
  } else if (operand.kind == Kind::kMap) {
    element = {operand.element};
    if (!Comparable(index, {operand.key})) {
      *error = base::StrCat("the keys of this map are ", Type{operand.key}.ToString(), ", not ",
                            index.ToString());
    }
  } else if (operand.kind == Kind::kOptional) {
    return {Kind::kOptional};
  } else if (!operand.dyn()) {
    *error = base::StrCat("a value of type ", operand.ToString(), " cannot be indexed");
  }
  return node.name == "_[?_]" ? Type{Kind::kOptional, Kind::kNone, element.kind} : element;
}

Type ConditionalType(const Ast& node, std::string* error) {
  const Type condition = node.args[0]->type;
  if (!MayBe(condition, Kind::kBool)) {
    *error = base::StrCat("the condition of '?' is a ", condition.ToString(), ", not a bool");
  }
  return node.args[1]->type == node.args[2]->type ? node.args[1]->type : Type::Dyn();
}

// Whether a parameter may take a value of this type.
bool Accepts(Kind parameter, Type type, bool widen) {
  if (parameter == Kind::kNone || MayBe(type, parameter)) return true;
  if (!widen) return false;
  return (parameter == Kind::kDouble && type.kind == Kind::kInt) ||
         (parameter == Kind::kInt && type.kind == Kind::kDouble);
}

bool Accepts(const Function& function, const Ast& node, bool widen) {
  const size_t count = node.args.size();
  if (function.variadic ? count < function.count : count != function.count) return false;
  for (size_t i = 0; i < count; ++i) {
    const size_t parameter = std::min<size_t>(i, function.count - 1);
    if (!Accepts(function.parameters[parameter], node.args[i]->type, widen)) return false;
  }
  return true;
}

// "substring(string, int)" or "string.substring(int)"
std::string Signature(std::string_view name, const std::vector<std::string>& types, bool receiver) {
  std::string text =
      receiver && !types.empty() ? base::StrCat(types[0], ".", name, "(") : base::StrCat(name, "(");
  for (size_t i = receiver ? 1 : 0; i < types.size(); ++i) {
    base::StrAppend(&text, text.back() == '(' ? "" : ", ", types[i]);
  }
  return text + ")";
}

std::string WrongArguments(const Ast& node, std::span<const Function* const> overloads) {
  std::vector<std::string> types;
  for (const Ast* arg : node.args) types.push_back(arg->type.ToString());
  std::string message =
      base::StrCat("there is no ", Signature(node.name, types, node.receiver), "; there is ");
  for (size_t i = 0; i < overloads.size(); ++i) {
    types.clear();
    for (size_t j = 0; j < overloads[i]->count; ++j) {
      types.push_back(Type{overloads[i]->parameters[j]}.ToString());
    }
    base::StrAppend(&message, i == 0 ? "" : ", ", Signature(node.name, types, node.receiver),
                    overloads[i]->variadic ? "…" : "");
  }
  return message;
}

}  // namespace

Type OperatorType(const Ast& node, std::string* error) {
  const std::string& name = node.name;
  if (name == "&&" || name == "||" || name == "!_") {
    for (const Ast* arg : node.args) {
      if (!MayBe(arg->type, Kind::kBool)) {
        *error = base::StrCat("'", Written(name), "' wants a bool, found ", arg->type.ToString());
      }
    }
    return kBool;
  }
  if (name == "?:") return ConditionalType(node, error);
  if (name == "@in") return InType(node, error);
  if (name == "_[_]" || name == "_[?_]") return IndexType(node, error);
  if (name == "-_") {
    const Type operand = node.args[0]->type;
    if (!MayBe(operand, Kind::kInt) && operand.kind != Kind::kDouble) *error = NoOverload(node);
    return operand;
  }
  if (name.size() == 3) {
    const std::string_view symbol = std::string_view(name).substr(1, 1);
    if (symbol != "<" && symbol != ">") return ArithmeticType(node, error);
  }
  const Type a = node.args[0]->type, b = node.args[1]->type;
  const bool equality = name == "_==_" || name == "_!=_";
  const bool good = equality ? Comparable(a, b) : a.dyn() || b.dyn() || Ordered(a.kind, b.kind);
  if (!good) *error = NoOverload(node, TimeHint(a, b));
  return kBool;
}

Type CallType(const Ast& node, std::string* error) {
  const auto overloads = FindFunctions(node.name, node.receiver);
  if (overloads.empty()) {
    if (!FindFunctions(node.name, !node.receiver).empty()) {
      *error = node.receiver
                   ? base::StrCat("'", node.name, "' is written ", node.name, "(value)")
                   : base::StrCat("'", node.name, "' is written value.", node.name, "(…)");
    } else {
      const std::string nearest = NearestFunction(node.name);
      *error = base::StrCat("no such function: '", node.name, "'",
                            nearest.empty() ? "" : base::StrCat("; did you mean '", nearest, "'?"));
    }
    return Type::Dyn();
  }
  bool found = false, matched = false;
  Type result;
  for (const bool widen : {false, true}) {  // as the evaluation: exact ones first
    for (const Function* function : overloads) {
      if (found && widen) break;
      if (!Accepts(*function, node, widen)) continue;
      result = !matched || result == function->result ? function->result : Type::Dyn();
      matched = true;
    }
    found = matched;
  }
  if (!found) *error = WrongArguments(node, overloads);
  return result;
}

Type MacroType(const Ast& node, const Ast** where, std::string* error) {
  const Type range = node.args[0]->type, body = node.args.back()->type;
  const bool map = range.kind == Kind::kMap, sorts = node.macro == Macro::kSortBy;
  const auto wrong = [&](const Ast* argument, std::string message) {
    *where = argument;
    *error = std::move(message);
  };
  if (!range.dyn() && range.kind != Kind::kList && (sorts || !map)) {
    wrong(node.args[0],
          base::StrCat(node.name, sorts ? "() wants a list" : "() wants a list or a map",
                       ", found ", range.ToString()));
    return Type::Dyn();
  }
  const bool transforms = sorts || node.macro == Macro::kMap || node.macro == Macro::kToMap ||
                          node.macro == Macro::kToMapEntry;
  if (!transforms || node.filtered) {
    const Type condition = node.args[1]->type;
    if (!MayBe(condition, Kind::kBool)) {
      wrong(node.args[1], base::StrCat("the condition of ", node.name, "() is a ",
                                       condition.ToString(), ", not a bool"));
    }
  }
  switch (node.macro) {
    case Macro::kMap:
      return {Kind::kList, Kind::kNone, body.kind};
    case Macro::kToMap:
      return {Kind::kMap, map ? range.key : range.dyn() ? Kind::kNone : Kind::kInt, body.kind};
    case Macro::kToMapEntry:
      if (!MayBe(body, Kind::kMap)) {
        wrong(node.args.back(), base::StrCat("the entry of ", node.name, "() is a ",
                                             body.ToString(), ", not a map like {key: value}"));
      }
      return {Kind::kMap, body.key, body.element};
    case Macro::kFilter:
      return {Kind::kList, Kind::kNone, map ? range.key : range.element};
    case Macro::kSortBy:
      return {Kind::kList, Kind::kNone, range.element};
    default:
      return kBool;
  }
}

}  // namespace levada::expr
