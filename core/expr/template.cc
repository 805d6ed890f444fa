#include "core/expr/template.h"

#include "core/base/strings.h"
#include "core/expr/lexer.h"
#include "core/expr/text.h"

namespace levada::expr {
namespace {

// The offset of the brace that closes the expression at the start of `source`, npos where there is
// none. Braces within strings and of maps are passed over by reading it as an expression is read.
size_t FindClosingBrace(std::string_view source) {
  Lexer lexer(source);
  int depth = 0;
  for (;;) {
    const Token token = lexer.Next();
    if (token.kind == TokenKind::kEnd || token.kind == TokenKind::kError) {
      return std::string_view::npos;
    }
    if (token.kind != TokenKind::kSymbol) continue;
    if (token.text == "{") ++depth;
    if (token.text == "}" && depth-- == 0) return token.offset;
  }
}

// Moves a problem of the expression that begins at `offset` to where it is in the template.
Problem Shift(std::string_view source, size_t offset, Problem problem) {
  int line = 1;
  size_t line_start = 0;
  for (size_t i = 0; i < offset; ++i) {
    if (source[i] != '\n') continue;
    ++line;
    line_start = i + 1;
  }
  if (problem.line == 1) {
    problem.column +=
        static_cast<int>(CountCodePoints(source.substr(line_start, offset - line_start)));
  }
  problem.line += line - 1;
  return problem;
}

}  // namespace

absl::StatusOr<Template> Template::Compile(std::string_view source, Env* env,
                                           std::vector<Problem>* problems) {
  Template result;
  result.source_ = source;
  std::vector<Problem> found;
  std::string text;
  size_t at = 0;
  while (at < source.size()) {
    if (source.substr(at, 3) == "$${") {
      text.append("${");
      at += 3;
      continue;
    }
    if (source.substr(at, 2) != "${") {
      text.push_back(source[at++]);
      continue;
    }
    const size_t begin = at + 2;
    const size_t length = FindClosingBrace(source.substr(begin));
    if (length == std::string_view::npos) {
      found.push_back(Shift(source, at, {1, 1, "no '}' closes this expression"}));
      break;
    }
    std::vector<Problem> inner;
    absl::StatusOr<Program> program =
        expr::Compile(source.substr(begin, length), env, Type::Dyn(), &inner);
    for (Problem& problem : inner) found.push_back(Shift(source, begin, std::move(problem)));
    if (program.ok()) result.parts_.push_back({std::move(text), *std::move(program)});
    text.clear();
    at = begin + length + 1;
  }
  result.tail_ = std::move(text);
  if (found.empty()) return result;
  std::string message;
  for (Problem& problem : found) {
    base::StrAppend(&message, message.empty() ? "" : "\n", problem.line, ":", problem.column, ": ",
                    problem.message);
    if (problems != nullptr) problems->push_back(std::move(problem));
  }
  return absl::InvalidArgumentError(message);
}

absl::Status Template::Render(Activation& activation, std::string* out) const {
  for (const Part& part : parts_) {
    out->append(part.text);
    if (absl::Status status = part.program.AppendText(activation, out); !status.ok()) {
      return absl::InvalidArgumentError(
          base::StrCat("${", part.program.source(), "}: ", base::View(status.message())));
    }
  }
  out->append(tail_);
  return absl::OkStatus();
}

}  // namespace levada::expr
