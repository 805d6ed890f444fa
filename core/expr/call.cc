#include "core/expr/call.h"

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
#include "core/expr/lexer.h"
#include "core/expr/parser.h"

namespace levada::expr {
namespace {

// The tokens of `source`, kEnd included. It has been parsed, so that there is no kError.
std::vector<Token> Tokens(std::string_view source) {
  Lexer lexer(source);
  std::vector<Token> tokens;
  do {
    tokens.push_back(lexer.Next());
  } while (tokens.back().kind != TokenKind::kEnd);
  return tokens;
}

bool Is(const Token& token, std::string_view symbols) {
  return token.kind == TokenKind::kSymbol && token.text.size() == 1 &&
         symbols.find(token.text[0]) != std::string_view::npos;
}

}  // namespace

absl::StatusOr<Call> ParseCall(std::string_view source) {
  Tree tree;
  std::vector<Fault> faults;
  if (!Parse(source, &tree, &faults)) return Report(source, std::move(faults), nullptr);
  const std::vector<Token> tokens = Tokens(source);
  const auto wrong = [&](const Token& token) {
    return Report(source, {{token.offset, "expected one call of a function, as in f(a, b)"}},
                  nullptr);
  };
  if (tokens[0].kind != TokenKind::kIdent || !Is(tokens[1], "(")) return wrong(tokens[0]);
  Call call{tokens[0].text, {}};
  int depth = 0;
  size_t begin = 2;  // token with which the argument begins
  for (size_t i = 1;; ++i) {
    const Token& token = tokens[i];
    if (Is(token, "([{")) ++depth;
    if (Is(token, ")]}")) --depth;
    const bool ends = depth == 0 || (depth == 1 && Is(token, ","));
    if (ends && i > begin) {
      const uint32_t offset = tokens[begin].offset;
      call.arguments.emplace_back(absl::StripTrailingAsciiWhitespace(
          base::AbslView(source.substr(offset, token.offset - offset))));
    }
    if (ends) begin = i + 1;
    if (depth > 0) continue;
    if (tokens[i + 1].kind != TokenKind::kEnd) return wrong(tokens[i + 1]);
    return call;
  }
}

}  // namespace levada::expr
