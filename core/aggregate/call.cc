#include "core/aggregate/call.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "core/expr/lexer.h"

namespace levada::aggregate {
namespace {

using expr::Kind;
using expr::Token;
using expr::TokenKind;

struct Signature {
  std::string_view name;
  size_t fewest;  // arguments
  size_t most;
  std::string_view usage;
};

// By Function.
constexpr std::array<Signature, 11> kFunctions = {{
    {"count", 0, 1, "count() or count(x)"},
    {"sum", 1, 1, "sum(x)"},
    {"avg", 1, 1, "avg(x)"},
    {"min", 1, 1, "min(x)"},
    {"max", 1, 1, "max(x)"},
    {"stddev", 1, 1, "stddev(x)"},
    {"first", 1, 1, "first(x)"},
    {"last", 1, 1, "last(x)"},
    {"distinct", 1, 1, "distinct(x)"},
    {"quantile", 2, 2, "quantile(x, 0.95)"},
    {"time_since_last", 0, 0, "time_since_last()"},
}};

const Signature& SignatureOf(Function function) {
  return kFunctions[static_cast<size_t>(function)];
}

expr::Problem ProblemAt(std::string_view text, size_t offset, std::string message) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const size_t newline = before.rfind('\n');
  const std::string_view line = newline == before.npos ? before : before.substr(newline + 1);
  expr::Problem problem;
  problem.line = 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  // Code points: bytes that do not continue one.
  problem.column = 1 + static_cast<int>(std::count_if(line.begin(), line.end(), [](char c) {
                     return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
                   }));
  problem.message = std::move(message);
  return problem;
}

std::string AllFunctions() {
  std::string all;
  for (const Signature& signature : kFunctions) {
    base::StrAppend(&all, all.empty() ? "" : ", ", signature.name);
  }
  return all;
}

bool Opens(const Token& token) {
  return token.kind == TokenKind::kSymbol &&
         (token.text == "(" || token.text == "[" || token.text == "{");
}
bool Closes(const Token& token) {
  return token.kind == TokenKind::kSymbol &&
         (token.text == ")" || token.text == "]" || token.text == "}");
}
bool Is(const Token& token, std::string_view symbol) {
  return token.kind == TokenKind::kSymbol && token.text == symbol;
}

class Parser {
 public:
  Parser(std::string_view text, ParsedCall* call, std::vector<expr::Problem>* problems)
      : text_(text), lexer_(text), call_(call), problems_(problems) {}

  bool Parse() {
    const Token name = lexer_.Next();
    if (name.kind != TokenKind::kIdent) {
      return Fail(name.offset, "expected an aggregate such as count() or sum(x)");
    }
    if (!Find(name)) return false;
    const Token open = lexer_.Next();
    if (!Is(open, "(")) {
      return Fail(open.offset, base::StrCat("expected \"(\": ", Usage()));
    }
    if (!Arguments(open.offset + 1)) return false;
    const Token end = lexer_.Next();
    if (end.kind != TokenKind::kEnd) {
      return Fail(end.offset,
                  "an aggregate is one call: compute with its result in a step `set` behind");
    }
    const Signature& signature = SignatureOf(call_->function);
    const size_t count = call_->arguments.size();
    if (count >= signature.fewest && count <= signature.most) return true;
    return Fail(name.offset, base::StrCat(signature.name, " takes ",
                                          signature.most == 0   ? std::string("no argument")
                                          : signature.most == 1 ? std::string("one argument")
                                                                : std::string("two arguments"),
                                          ", not ", count, ": ", Usage()));
  }

 private:
  std::string_view Usage() const { return SignatureOf(call_->function).usage; }

  bool Fail(size_t offset, std::string message) {
    problems_->push_back(ProblemAt(text_, offset, std::move(message)));
    return false;
  }

  bool Find(const Token& name) {
    std::vector<std::string_view> names;
    for (size_t i = 0; i < kFunctions.size(); ++i) {
      if (kFunctions[i].name == name.text) {
        call_->function = static_cast<Function>(i);
        return true;
      }
      names.push_back(kFunctions[i].name);
    }
    const std::string_view nearest = base::Nearest(name.text, names);
    return Fail(name.offset,
                base::StrCat("no such aggregate: '", name.text, "'; ",
                             nearest.empty() ? base::StrCat("there are ", AllFunctions())
                                             : base::StrCat("did you mean '", nearest, "'?")));
  }

  // From behind the opening parenthesis.
  bool Arguments(size_t begin) {
    int depth = 0;
    bool any = false;
    for (;;) {
      const Token token = lexer_.Next();
      if (token.kind == TokenKind::kError) return Fail(token.offset, token.text);
      if (token.kind == TokenKind::kEnd) return Fail(token.offset, "expected \")\"");
      const bool end = depth == 0 && Is(token, ")");
      if (end || (depth == 0 && Is(token, ","))) {
        if (!end || any || !call_->arguments.empty()) Keep(begin, token.offset);
        if (end) return true;
        begin = token.offset + 1;
        any = false;
        continue;
      }
      any = true;
      depth += Opens(token) ? 1 : Closes(token) ? -1 : 0;
      if (depth < 0) return Fail(token.offset, base::StrCat("\"", token.text, "\" closes nothing"));
    }
  }

  void Keep(size_t begin, size_t end) {
    ParsedCall::Argument argument;
    const std::string_view text = text_.substr(begin, end - begin);
    argument.text = std::string(absl::StripAsciiWhitespace(base::AbslView(text)));
    for (const char c : text_.substr(0, begin)) {
      if (c == '\n') {
        argument.padded += '\n';
      } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
        argument.padded += ' ';
      }
    }
    argument.padded += text;
    call_->arguments.push_back(std::move(argument));
  }

  std::string_view text_;
  expr::Lexer lexer_;
  ParsedCall* call_;
  std::vector<expr::Problem>* problems_;
};

bool IsNumber(Kind kind) { return kind >= Kind::kInt && kind <= Kind::kDouble; }

bool IsScalar(Kind kind) {
  switch (kind) {
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDouble:
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kTimestamp:
    case Kind::kDuration:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool ParseCall(std::string_view text, ParsedCall* call, std::vector<expr::Problem>* problems) {
  return Parser(text, call, problems).Parse();
}

std::string_view FunctionName(Function function) { return SignatureOf(function).name; }

std::string WrongType(Function function, expr::Type type) {
  if (type.dyn() || type.kind == Kind::kNull || function == Function::kCount) return "";
  const bool number = function == Function::kSum || function == Function::kAvg ||
                      function == Function::kStddev || function == Function::kQuantile;
  if (number ? IsNumber(type.kind) : IsScalar(type.kind)) return "";
  const std::string_view hint =
      number && type.kind == Kind::kBool       ? "; count the events by a condition `where`"
      : number && type.kind == Kind::kDuration ? "; use a number of it, such as getSeconds()"
                                               : "";
  return base::StrCat(FunctionName(function), " takes ", number ? "numbers" : "single values",
                      ", not a ", type.ToString(), hint);
}

expr::Type ResultType(Function function, expr::Type argument) {
  switch (function) {
    case Function::kCount:
    case Function::kDistinct:
      return {Kind::kInt};
    case Function::kSum:
      return argument.kind == Kind::kInt || argument.kind == Kind::kUint
                 ? expr::Type{Kind::kInt}
                 : expr::Type{Kind::kDouble};
    case Function::kMin:
    case Function::kMax:
    case Function::kFirst:
    case Function::kLast:
      return argument.kind == Kind::kNull ? expr::Type::Dyn() : argument;
    default:
      return {Kind::kDouble};
  }
}

}  // namespace levada::aggregate
