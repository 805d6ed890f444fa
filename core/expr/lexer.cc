#include "core/expr/lexer.h"

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
#include "core/base/utf8.h"

namespace levada::expr {
namespace {

bool IsNameStart(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool IsNameByte(char c) { return absl::ascii_isalnum(c) || c == '_'; }

Token Error(size_t offset, std::string message) {
  return {TokenKind::kError, static_cast<uint32_t>(offset), std::move(message)};
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

}  // namespace

void Lexer::SkipSpace() {
  for (;;) {
    const char c = Peek();
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
      ++at_;
    } else if (c == '/' && Peek(1) == '/') {
      while (at_ < source_.size() && source_[at_] != '\n') ++at_;
    } else {
      return;
    }
  }
}

Token Lexer::Next() {
  SkipSpace();
  const size_t begin = at_;
  if (at_ >= source_.size()) return {TokenKind::kEnd, static_cast<uint32_t>(begin), ""};
  const char c = Peek();
  if (c == '"' || c == '\'') return Quoted(0, false, false);
  if (IsNameStart(c)) {
    size_t prefix = 0;  // r, b, br, rb in either case, directly before a quote
    bool raw = false, bytes = false;
    while (prefix < 2 && Peek(prefix) != '\0' &&
           std::string_view("rRbB").find(Peek(prefix)) != std::string_view::npos) {
      (absl::ascii_tolower(Peek(prefix)) == 'r' ? raw : bytes) = true;
      ++prefix;
      if (Peek(prefix) == '"' || Peek(prefix) == '\'') return Quoted(prefix, raw, bytes);
      if (at_ + prefix >= source_.size()) break;
    }
    while (IsNameByte(Peek())) ++at_;
    return {TokenKind::kIdent, static_cast<uint32_t>(begin),
            std::string(source_.substr(begin, at_ - begin))};
  }
  if (absl::ascii_isdigit(c) || (c == '.' && absl::ascii_isdigit(Peek(1)))) return Number();
  if (c == '`') {
    const size_t end = source_.find('`', at_ + 1);
    if (end == std::string_view::npos) return Error(begin, "missing closing backtick");
    at_ = end + 1;
    return {TokenKind::kQuoted, static_cast<uint32_t>(begin),
            std::string(source_.substr(begin + 1, end - begin - 1))};
  }
  for (std::string_view symbol : {"&&", "||", "==", "!=", "<=", ">="}) {
    if (source_.substr(at_, 2) == symbol) {
      at_ += 2;
      return {TokenKind::kSymbol, static_cast<uint32_t>(begin), std::string(symbol)};
    }
  }
  if (std::string_view("+-*/%!<>?:.,()[]{}").find(c) != std::string_view::npos) {
    ++at_;
    return {TokenKind::kSymbol, static_cast<uint32_t>(begin), std::string(1, c)};
  }
  const int length = base::Utf8SequenceLength(&source_[at_], source_.data() + source_.size());
  const std::string_view shown = source_.substr(at_, length > 0 ? length : 0);
  if (c == '=') return Error(begin, "unexpected '='; equality is written ==");
  if (c == '&' || c == '|') {
    return Error(begin, base::StrCat("unexpected '", shown, "'; write ", shown, shown));
  }
  return Error(begin, base::StrCat("unexpected character '", shown, "'"));
}

Token Lexer::Number() {
  const size_t begin = at_;
  const auto token = [&](TokenKind kind) -> Token {
    std::string text(source_.substr(begin, at_ - begin));
    if (kind == TokenKind::kInt && (Peek() == 'u' || Peek() == 'U')) {
      ++at_;
      kind = TokenKind::kUint;
    }
    if (IsNameByte(Peek())) {
      return Error(begin,
                   base::StrCat("malformed number ", source_.substr(begin, at_ - begin + 1)));
    }
    return {kind, static_cast<uint32_t>(begin), std::move(text)};
  };
  if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X') && HexDigit(Peek(2)) < 16) {
    at_ += 2;
    while (HexDigit(Peek()) < 16) ++at_;
    return token(TokenKind::kInt);
  }
  while (absl::ascii_isdigit(Peek())) ++at_;
  bool real = false;
  if (Peek() == '.' && absl::ascii_isdigit(Peek(1))) {
    real = true;
    ++at_;
    while (absl::ascii_isdigit(Peek())) ++at_;
  }
  if (Peek() == 'e' || Peek() == 'E') {
    const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 1 : 0;
    if (absl::ascii_isdigit(Peek(1 + sign))) {
      real = true;
      at_ += 1 + sign;
      while (absl::ascii_isdigit(Peek())) ++at_;
    }
  }
  return token(real ? TokenKind::kDouble : TokenKind::kInt);
}

Token Lexer::Quoted(size_t prefix, bool raw, bool bytes) {
  const size_t begin = at_;
  at_ += prefix;
  const char quote = Peek();
  const bool triple = Peek(1) == quote && Peek(2) == quote;
  at_ += triple ? 3 : 1;
  Token token{bytes ? TokenKind::kBytes : TokenKind::kString, static_cast<uint32_t>(begin), ""};
  std::string error;
  while (at_ < source_.size()) {
    const char c = source_[at_];
    if (c == quote && (!triple || (Peek(1) == quote && Peek(2) == quote))) {
      at_ += triple ? 3 : 1;
      return token;
    }
    if (!triple && (c == '\n' || c == '\r')) break;
    if (c == '\\' && !raw) {
      const size_t escape = at_;
      if (!Escape(bytes, &token.text, &error)) return Error(escape, std::move(error));
      continue;
    }
    token.text.push_back(c);
    ++at_;
  }
  return Error(begin, "the string is not closed");
}

bool Lexer::Digits(int base, int count, uint32_t* value) {
  *value = 0;
  for (int i = 0; i < count; ++i) {
    const int digit = HexDigit(Peek());
    if (digit >= base) return false;
    *value = *value * base + digit;
    ++at_;
  }
  return true;
}

bool Lexer::Escape(bool bytes, std::string* out, std::string* error) {
  ++at_;
  const char c = Peek();
  static constexpr std::string_view kPlain = "abfnrtv\\?\"'`";
  static constexpr std::string_view kDecoded = "\a\b\f\n\r\t\v\\?\"'`";
  if (const size_t i = kPlain.find(c); i != std::string_view::npos && c != '\0') {
    out->push_back(kDecoded[i]);
    ++at_;
    return true;
  }
  uint32_t code = 0;
  bool good = false;
  if (c == 'x' || c == 'X') {
    ++at_;
    good = Digits(16, 2, &code);
  } else if (c >= '0' && c <= '3') {
    good = Digits(8, 3, &code);
  } else if ((c == 'u' || c == 'U') && !bytes) {
    ++at_;
    good = Digits(16, c == 'u' ? 4 : 8, &code);
    if (good && (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))) {
      *error = "not a Unicode code point";
      return false;
    }
  }
  if (!good) {
    *error = "unknown or incomplete escape; a backslash itself is written \\\\";
    return false;
  }
  if (bytes) {
    out->push_back(static_cast<char>(code));
  } else {
    char encoded[4];
    out->append(encoded, base::EncodeUtf8(code, encoded));
  }
  return true;
}

}  // namespace levada::expr
