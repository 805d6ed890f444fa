#include "core/pipeline/yaml_text.h"

#include <algorithm>

#include "core/base/utf8.h"

namespace levada::pipeline {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool IsBlank(char c) { return kBlanks.find(c) != kBlanks.npos; }

size_t NotAfter(size_t at, std::string_view text) { return std::min(at, text.size()); }

bool IsComment(std::string_view text, size_t at) {
  return text[at] == '#' && (at == 0 || IsBlank(text[at - 1]));
}

size_t EndOfLine(std::string_view text, size_t at) { return NotAfter(text.find('\n', at), text); }

// To what stands behind white space and comments.
size_t SkipBlanks(std::string_view text, size_t at) {
  while (at < text.size() && (IsBlank(text[at]) || IsComment(text, at))) {
    at = IsBlank(text[at]) ? at + 1 : EndOfLine(text, at);
  }
  return at;
}

// Behind the closing quote; npos where there is none.
size_t EndOfQuoted(std::string_view text, size_t begin) {
  const char quote = text[begin];
  for (size_t at = begin + 1; at < text.size(); ++at) {
    if (quote == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == quote) {
      if (quote == '"' || text.substr(at + 1, 1) != "'") return at + 1;
      ++at;
    }
  }
  return std::string_view::npos;
}

bool IsTaken(std::string_view character) {
  if (character.size() == 1) {
    const char c = character[0];
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c != 0x7F);
  }
  // U+0080 to U+009F, but for the line break among them, and U+FFFE, U+FFFF.
  if (character.starts_with("\xC2") && character[1] < '\xA0') return character == "\xC2\x85";
  return character != "\xEF\xBF\xBE" && character != "\xEF\xBF\xBF";
}

}  // namespace

std::optional<BadCharacter> FindBadCharacter(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const int length = base::Utf8SequenceLength(text.data() + at, text.data() + text.size());
    if (length <= 0) return BadCharacter{at, "not UTF-8"};
    if (!IsTaken(text.substr(at, length))) {
      return BadCharacter{at, "not YAML: control characters are not allowed"};
    }
    at += length;
  }
  return std::nullopt;
}

bool IsDocumentStart(std::string_view text, size_t at) {
  return text.substr(at, 3) == "---" && (at == 0 || text[at - 1] == '\n') &&
         (at + 3 >= text.size() || IsBlank(text[at + 3]));
}

size_t SkipProperties(std::string_view text, size_t at) {
  while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
    const bool verbatim = text.substr(at, 2) == "!<";
    at = NotAfter(text.find_first_of(verbatim ? ">" : " \t\r\n,[]{}", at), text);
    at = SkipBlanks(text, NotAfter(verbatim ? at + 1 : at, text));
  }
  return at;
}

ScalarStyle StyleAt(std::string_view text, size_t at) {
  switch (at < text.size() ? text[at] : ' ') {
    case '\'':
      return ScalarStyle::kSingleQuoted;
    case '"':
      return ScalarStyle::kDoubleQuoted;
    case '|':
      return ScalarStyle::kLiteral;
    case '>':
      return ScalarStyle::kFolded;
    default:
      return ScalarStyle::kPlain;
  }
}

size_t EndOfScalar(std::string_view text, size_t begin, ScalarStyle style, std::string_view value) {
  size_t at = begin;
  if (style == ScalarStyle::kSingleQuoted || style == ScalarStyle::kDoubleQuoted) {
    return EndOfQuoted(text, begin);
  }
  if (style != ScalarStyle::kPlain) at = EndOfLine(text, at);
  // Text and value differ in white space only.
  for (const char c : value) {
    if (IsBlank(c)) continue;
    while (at < text.size() && IsBlank(text[at])) ++at;
    at = NotAfter(at + 1, text);
  }
  return at;
}

std::string RepairEscapes(std::string_view value) {
  std::string out;
  for (size_t at = 0; at < value.size();) {
    const int length = base::Utf8SequenceLength(value.data() + at, value.data() + value.size());
    if (length <= 0) out += '\xC2';
    const std::string_view character = value.substr(at, std::max(1, length));
    out += character;
    at += character.size();
  }
  return out;
}

std::string_view NullAt(std::string_view text, size_t at, bool is_value) {
  for (const std::string_view word : {"~", "null", "Null", "NULL"}) {
    if (text.substr(NotAfter(at, text), word.size()) != word) continue;
    const size_t end = at + word.size();
    if (end < text.size() && !IsBlank(text[end]) && text.find_first_of(",]}:", end) != end)
      return "";
    const bool is_key = text.substr(SkipBlanks(text, end), 1) == ":";
    return is_value && is_key ? std::string_view() : word;
  }
  return "";
}

size_t PlaceOfNothing(std::string_view text, size_t from, size_t to) {
  size_t place = from;
  for (size_t at = from; at < NotAfter(to, text);) {
    if (IsComment(text, at)) {
      at = EndOfLine(text, at);
      continue;
    }
    if (std::string_view(":-?,[{").find(text[at++]) != std::string_view::npos) place = at;
  }
  return place;
}

size_t UnclosedQuote(std::string_view text, size_t from, size_t to) {
  for (size_t at = from; at < NotAfter(to, text);) {
    const bool quote = text[at] == '"' || text[at] == '\'';
    const bool begins = at == 0 || IsBlank(text[at - 1]) ||
                        std::string_view("[{,:").find(text[at - 1]) != std::string_view::npos;
    if (quote && begins) {
      const size_t end = EndOfQuoted(text, at);
      if (end > to) return at;
      at = end;
    } else {
      at = IsComment(text, at) ? EndOfLine(text, at) : at + 1;
    }
  }
  return to;
}

}  // namespace levada::pipeline
