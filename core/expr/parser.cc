// Recursive descent over
//   expr    = or ["?" or ":" expr]
//   or      = and {"||" and}            and = relation {"&&" relation}
//   relation, sum, product              binary operators by precedence, left to right
//   unary   = {"!"} member | {"-"} member
//   member  = primary {"." ["?"] name ["(" args ")"] | "[" ["?"] expr "]"}
//   primary = ["."] name ["(" args ")"] | literal | "(" expr ")" | "[" list "]" | "{" map "}"
#include "core/expr/parser.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "absl/container/flat_hash_set.h"
#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/expr/macros.h"
#include "core/expr/program.h"

namespace levada::expr {
namespace {

bool IsReserved(std::string_view name) {
  static const auto* const kWords = new absl::flat_hash_set<absl::string_view>{
      "as",  "break", "const",     "continue", "else",   "for", "function", "if",   "import",
      "let", "loop",  "namespace", "package",  "return", "var", "void",     "while"};
  return kWords->contains(base::AbslView(name));
}

struct BinaryOperator {
  std::string_view symbol;
  std::string_view function;
  int precedence;
};
constexpr BinaryOperator kBinaryOperators[] = {
    {"==", "_==_", 1}, {"!=", "_!=_", 1}, {"<", "_<_", 1},  {"<=", "_<=_", 1},
    {">", "_>_", 1},   {">=", "_>=_", 1}, {"in", "@in", 1}, {"+", "_+_", 2},
    {"-", "_-_", 2},   {"*", "_*_", 3},   {"/", "_/_", 3},  {"%", "_%_", 3}};

constexpr char kNoMessages[] = "messages are not part of this language";

class Parser {
 public:
  Parser(std::string_view source, Tree* tree, std::vector<Fault>* faults)
      : lexer_(source), tree_(tree), faults_(faults) {
    Advance();
  }

  Ast* Whole() {
    Ast* root = Expr();
    if (!failed_ && token_.kind != TokenKind::kEnd) {
      return Fail(base::StrCat("expected an operator or the end, found ", Shown()));
    }
    return failed_ ? nullptr : root;
  }

 private:
  void Advance() {
    token_ = lexer_.Next();
    if (token_.kind == TokenKind::kError) Fail(token_.text);
  }

  bool At(std::string_view symbol) const {
    return !failed_ && token_.text == symbol &&
           (token_.kind == TokenKind::kSymbol ||
            (token_.kind == TokenKind::kIdent && symbol == "in"));
  }

  bool Take(std::string_view symbol) {
    if (!At(symbol)) return false;
    Advance();
    return true;
  }

  bool Expect(std::string_view symbol) {
    if (Take(symbol)) return true;
    Fail(base::StrCat("expected '", symbol, "', found ", Shown()));
    return false;
  }

  std::string Shown() const {
    if (token_.kind == TokenKind::kEnd) return "the end of the expression";
    return base::StrCat("'", token_.text, "'");
  }

  // Only the first syntax error is told: what follows it is guesswork.
  Ast* Fail(std::string message) { return FailAt(token_.offset, std::move(message)); }
  Ast* FailAt(uint32_t offset, std::string message) {
    if (!failed_) faults_->push_back({offset, std::move(message)});
    failed_ = true;
    return nullptr;
  }

  Ast* New(Ast::Kind kind, uint32_t offset, std::vector<Ast*> args = {}) {
    Ast* node = tree_->Add(kind, offset);
    for (Ast* arg : args) {
      if (arg == nullptr) return nullptr;
      node->depth = std::max(node->depth, arg->depth + 1);
    }
    if (node->depth > kMaxDepth) {
      return FailAt(offset, base::StrCat("nested deeper than ", kMaxDepth));
    }
    node->args = std::move(args);
    return node;
  }

  Ast* Operator(std::string_view name, uint32_t offset, std::vector<Ast*> args) {
    Ast* node = New(Ast::Kind::kOperator, offset, std::move(args));
    if (node != nullptr) node->name = name;
    return node;
  }

  Ast* Literal(Value value, uint32_t offset) {
    Ast* node = New(Ast::Kind::kLiteral, offset);
    node->value = value;
    return node;
  }

  Ast* Expr() {
    if (++depth_ > kMaxDepth) return Fail(base::StrCat("nested deeper than ", kMaxDepth));
    Ast* condition = Logic("||");
    const uint32_t offset = token_.offset;
    if (Take("?")) {
      Ast* yes = Logic("||");
      if (!Expect(":")) return nullptr;
      Ast* no = Expr();
      condition = Operator("?:", offset, {condition, yes, no});
    }
    --depth_;
    return failed_ ? nullptr : condition;
  }

  // a || b || c is one node with three arguments.
  Ast* Logic(std::string_view symbol) {
    const auto operand = [&] { return symbol == "||" ? Logic("&&") : Binary(1); };
    Ast* first = operand();
    if (!At(symbol)) return first;
    const uint32_t offset = token_.offset;
    std::vector<Ast*> args = {first};
    while (Take(symbol)) args.push_back(operand());
    return failed_ ? nullptr : Operator(symbol, offset, std::move(args));
  }

  Ast* Binary(int precedence) {
    if (precedence > 3) return Unary();
    Ast* left = Binary(precedence + 1);
    while (!failed_) {
      const BinaryOperator* found = nullptr;
      for (const BinaryOperator& op : kBinaryOperators) {
        if (op.precedence == precedence && At(op.symbol)) found = &op;
      }
      if (found == nullptr) return left;
      const uint32_t offset = token_.offset;
      Advance();
      left = Operator(found->function, offset, {left, Binary(precedence + 1)});
    }
    return nullptr;
  }

  Ast* Unary() {
    if (!At("!") && !At("-")) return Member(false);
    const std::string symbol = token_.text;
    std::vector<uint32_t> offsets;
    while (At(symbol)) {
      offsets.push_back(token_.offset);
      Advance();
    }
    // A minus directly before a number belongs to it: -9223372036854775808 has no positive twin.
    const bool negative =
        symbol == "-" && (token_.kind == TokenKind::kInt || token_.kind == TokenKind::kDouble);
    if (negative) offsets.pop_back();
    Ast* node = Member(negative);
    while (!failed_ && !offsets.empty()) {
      node = Operator(symbol == "!" ? "!_" : "-_", offsets.back(), {node});
      offsets.pop_back();
    }
    return failed_ ? nullptr : node;
  }

  Ast* Member(bool negative) {
    Ast* node = Primary(negative);
    while (!failed_) {
      const uint32_t offset = token_.offset;
      if (Take(".")) {
        node = Selected(node, offset);
      } else if (Take("[")) {
        const bool optional = Take("?");
        Ast* index = Expr();
        if (!Expect("]")) return nullptr;
        node = Operator(optional ? "_[?_]" : "_[_]", offset, {node, index});
      } else {
        return node;
      }
    }
    return nullptr;
  }

  Ast* Selected(Ast* operand, uint32_t dot) {
    const bool optional = Take("?");
    const bool quoted = token_.kind == TokenKind::kQuoted;
    const bool keyword = token_.text == "in" || token_.text == "true" || token_.text == "false" ||
                         token_.text == "null";
    if (failed_ || (!quoted && (token_.kind != TokenKind::kIdent || keyword))) {
      return Fail(base::StrCat("expected a field name behind '.', found ", Shown()));
    }
    const std::string name = token_.text;
    const uint32_t offset = token_.offset;
    Advance();
    if (!quoted && !optional && At("(")) return Call(operand, name, offset);
    if (At("{")) return Fail(kNoMessages);
    Ast* node = New(Ast::Kind::kSelect, dot, {operand});
    if (node == nullptr) return nullptr;
    node->name = name;
    node->offset = offset;
    node->optional = optional;
    return node;
  }

  Ast* Call(Ast* target, const std::string& name, uint32_t offset) {
    Expect("(");
    std::vector<Ast*> args;
    while (!failed_ && !At(")")) {
      args.push_back(Expr());
      if (!Take(",")) break;
    }
    if (!Expect(")")) return nullptr;
    std::string error;
    Ast* expanded = nullptr;
    if (ExpandMacro(tree_, target, name, args, offset, &expanded, &error)) {
      if (expanded == nullptr) return FailAt(offset, std::move(error));
      return Finish(expanded);
    }
    if (target != nullptr) args.insert(args.begin(), target);
    Ast* node = New(Ast::Kind::kCall, offset, std::move(args));
    if (node == nullptr) return nullptr;
    node->name = name;
    node->receiver = target != nullptr;
    return node;
  }

  Ast* Finish(Ast* node) {
    for (const Ast* arg : node->args) node->depth = std::max(node->depth, arg->depth + 1);
    if (node->depth <= kMaxDepth) return node;
    return FailAt(node->offset, base::StrCat("nested deeper than ", kMaxDepth));
  }

  Ast* Primary(bool negative) {
    if (failed_) return nullptr;
    const Token token = token_;
    switch (token.kind) {
      case TokenKind::kInt:
      case TokenKind::kUint:
      case TokenKind::kDouble:
        return Number(negative);
      case TokenKind::kString:
        Advance();
        if (!base::IsUtf8(token.text)) return FailAt(token.offset, "the string is not UTF-8");
        return Literal(Value::String(tree_->Keep(token.text)), token.offset);
      case TokenKind::kBytes:
        Advance();
        return Literal(Value::Bytes(tree_->Keep(token.text)), token.offset);
      case TokenKind::kIdent:
        return Name(false);
      default:
        break;
    }
    if (Take("(")) {
      Ast* inner = Expr();
      return Expect(")") ? inner : nullptr;
    }
    if (Take("[")) return List(token.offset);
    if (Take("{")) return Map(token.offset);
    if (Take(".")) {
      if (token_.kind != TokenKind::kIdent) {
        return Fail(base::StrCat("expected a name behind '.', found ", Shown()));
      }
      return Name(true);
    }
    return Fail(base::StrCat("expected a value, found ", Shown()));
  }

  Ast* Name(bool leading_dot) {
    const Token token = token_;
    Advance();
    if (token.text == "true") return Literal(Value::Bool(true), token.offset);
    if (token.text == "false") return Literal(Value::Bool(false), token.offset);
    if (token.text == "null") return Literal(Value::Null(), token.offset);
    if (token.text == "in") return FailAt(token.offset, "expected a value, found 'in'");
    if (IsReserved(token.text)) {
      return FailAt(token.offset, base::StrCat("'", token.text,
                                               "' is a reserved word; a field of "
                                               "that name is written event.",
                                               token.text));
    }
    if (At("(")) return Call(nullptr, token.text, token.offset);
    if (At("{")) return Fail(kNoMessages);
    Ast* node = New(Ast::Kind::kIdent, token.offset);
    node->name = token.text;
    node->leading_dot = leading_dot;
    return node;
  }

  Ast* Number(bool negative) {
    const Token token = token_;
    Advance();
    const std::string text = base::StrCat(negative ? "-" : "", token.text);
    if (token.kind == TokenKind::kDouble) {
      const double value = std::strtod(text.c_str(), nullptr);
      if (std::isinf(value)) return FailAt(token.offset, "the number is too large for a double");
      return Literal(Value::Double(value), token.offset);
    }
    const bool hex = token.text.size() > 2 && (token.text[1] | 0x20) == 'x';
    const std::string digits =
        base::StrCat(negative ? "-" : "", hex ? token.text.substr(2) : token.text);
    const char* const end = digits.data() + digits.size();
    if (token.kind == TokenKind::kUint) {
      uint64_t value = 0;
      const auto [ptr, error] = std::from_chars(digits.data(), end, value, hex ? 16 : 10);
      if (error != std::errc() || ptr != end) {
        return FailAt(token.offset, "the number does not fit a uint (64 bits)");
      }
      return Literal(Value::Uint(value), token.offset);
    }
    int64_t value = 0;
    const auto [ptr, error] = std::from_chars(digits.data(), end, value, hex ? 16 : 10);
    if (error != std::errc() || ptr != end) {
      return FailAt(token.offset, "the number does not fit an int (64 bits)");
    }
    return Literal(Value::Int(value), token.offset);
  }

  Ast* List(uint32_t offset) {
    std::vector<Ast*> items;
    std::vector<bool> optional;
    while (!failed_ && !At("]")) {
      optional.push_back(Take("?"));
      items.push_back(Expr());
      if (!Take(",")) break;
    }
    if (!Expect("]")) return nullptr;
    Ast* node = New(Ast::Kind::kList, offset, std::move(items));
    if (node != nullptr) node->optional_args = std::move(optional);
    return node;
  }

  Ast* Map(uint32_t offset) {
    std::vector<Ast*> items;
    std::vector<bool> optional;
    while (!failed_ && !At("}")) {
      optional.push_back(Take("?"));
      items.push_back(Expr());
      if (!Expect(":")) return nullptr;
      items.push_back(Expr());
      if (!Take(",")) break;
    }
    if (!Expect("}")) return nullptr;
    Ast* node = New(Ast::Kind::kMap, offset, std::move(items));
    if (node != nullptr) node->optional_args = std::move(optional);
    return node;
  }

  Lexer lexer_;
  Tree* tree_;
  std::vector<Fault>* faults_;
  Token token_;
  int depth_ = 0;
  bool failed_ = false;
};

}  // namespace

bool Parse(std::string_view source, Tree* tree, std::vector<Fault>* faults) {
  if (source.size() > kMaxSourceBytes) {
    faults->push_back({0, base::StrCat("longer than ", kMaxSourceBytes, " bytes")});
    return false;
  }
  tree->root = Parser(source, tree, faults).Whole();
  return tree->root != nullptr;
}

}  // namespace levada::expr
