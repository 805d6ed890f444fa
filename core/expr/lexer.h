#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// The words of an expression. Grammar: "Lexis" in CEL's language definition.
namespace levada::expr {

enum class TokenKind : uint8_t {
  kEnd,
  kError,   // text: what is wrong
  kIdent,   // text: the name
  kQuoted,  // `name`, a field name in backticks; text: the name
  kInt,     // text: digits as written (decimal or 0x…)
  kUint,    // the same without the u
  kDouble,  //
  kString,  // text: decoded
  kBytes,   // text: decoded
  kSymbol,  // text: one of the operators and brackets
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  uint32_t offset = 0;  // of its first byte
  std::string text;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}
  Token Next();

 private:
  void SkipSpace();
  Token Number();
  Token Quoted(size_t prefix, bool raw, bool bytes);
  // Decodes the escape whose backslash is at at_; appends to `out`; false and `error` if wrong.
  bool Escape(bool bytes, std::string* out, std::string* error);
  bool Digits(int base, int count, uint32_t* value);
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }

  std::string_view source_;
  size_t at_ = 0;
};

}  // namespace levada::expr
