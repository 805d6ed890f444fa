// contains, startsWith, endsWith, matches and the functions of CEL's strings extension.
#include <re2/re2.h>

#include "absl/strings/ascii.h"
#include "core/base/utf8.h"
#include "core/expr/containers.h"
#include "core/expr/functions.h"
#include "core/expr/support.h"
#include "core/expr/text.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

Value IndexOutOfRange(int64_t index, Activation& activation) {
  return Fail(activation, "index out of range: ", index);
}

Value Contains(const Value* args, size_t, Activation&) {
  return Value::Bool(args[0].text().find(args[1].text()) != std::string_view::npos);
}
Value StartsWith(const Value* args, size_t, Activation&) {
  return Value::Bool(args[0].text().starts_with(args[1].text()));
}
Value EndsWith(const Value* args, size_t, Activation&) {
  return Value::Bool(args[0].text().ends_with(args[1].text()));
}

Value Matches(const Value* args, size_t, Activation& activation) {
  const re2::RE2* regex = activation.regexes().Get(args[1].text());
  if (regex == nullptr) {
    return Fail(activation, "not a regular expression: '", args[1].text().substr(0, 60), "'");
  }
  return Value::Bool(RegexMatches(*regex, args[0].text()));
}

Value CharAt(const Value* args, size_t, Activation& activation) {
  const std::string_view text = args[0].text();
  const size_t at = OffsetOf(text, args[1].integer());
  if (at == std::string_view::npos) return IndexOutOfRange(args[1].integer(), activation);
  if (at == text.size()) return Value::String("");
  return Value::String(text.substr(at, SequenceAt(text, at)));
}

// What a search from behind the end finds, by the extension's definition.
Value BehindTheEnd(std::string_view text, std::string_view wanted) {
  return Value::Int(wanted.empty() ? static_cast<int64_t>(CountCodePoints(text)) : -1);
}

Value IndexOf(const Value* args, size_t count, Activation& activation) {
  const std::string_view text = args[0].text();
  const int64_t from = count > 2 ? args[2].integer() : 0;
  if (from < 0) return IndexOutOfRange(from, activation);
  const size_t begin = OffsetOf(text, from);
  if (begin == std::string_view::npos) return BehindTheEnd(text, args[1].text());
  const size_t found = text.find(args[1].text(), begin);
  if (found == std::string_view::npos) return Value::Int(-1);
  return Value::Int(static_cast<int64_t>(CountCodePoints(text.substr(0, found))));
}

Value LastIndexOf(const Value* args, size_t count, Activation& activation) {
  const std::string_view text = args[0].text();
  size_t latest = std::string_view::npos;
  if (count > 2) {
    if (args[2].integer() < 0) return IndexOutOfRange(args[2].integer(), activation);
    latest = OffsetOf(text, args[2].integer());
    if (latest >= text.size()) return BehindTheEnd(text, args[1].text());
  }
  const size_t found = text.rfind(args[1].text(), latest);
  if (found == std::string_view::npos) return Value::Int(-1);
  return Value::Int(static_cast<int64_t>(CountCodePoints(text.substr(0, found))));
}

Value Join(const Value* args, size_t count, Activation& activation) {
  const auto items = Items(args[0], activation);
  const std::string_view separator = count > 1 ? args[1].text() : "";
  size_t size = 0;
  for (const Value& item : items) {
    if (!item.is(Kind::kString)) return Fail(activation, "join: not a string in the list");
    size += item.text().size() + separator.size();
  }
  char* const joined = NewArray<char>(activation, size);
  if (joined == nullptr) return Exhausted();
  char* end = joined;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) end = std::copy(separator.begin(), separator.end(), end);
    end = std::copy(items[i].text().begin(), items[i].text().end(), end);
  }
  return Value::String({joined, static_cast<size_t>(end - joined)});
}

template <char (*Change)(unsigned char)>
Value ChangeCase(const Value* args, size_t, Activation& activation) {
  const std::string_view text = args[0].text();
  char* changed = NewArray<char>(activation, text.size());
  if (changed == nullptr) return Exhausted();
  for (size_t i = 0; i < text.size(); ++i) changed[i] = Change(static_cast<uint8_t>(text[i]));
  return Value::String({changed, text.size()});
}

Value Quote(const Value* args, size_t, Activation& activation) {
  static constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\\"";
  static constexpr std::string_view kLetters = "abfnrtv\\\"";
  std::string quoted = "\"";
  for (const char c : args[0].text()) {
    if (const size_t i = kSpecial.find(c); i != std::string_view::npos) {
      quoted.push_back('\\');
      quoted.push_back(kLetters[i]);
    } else {
      quoted.push_back(c);
    }
  }
  return NewString(activation, quoted + "\"");
}

Value Replace(const Value* args, size_t count, Activation& activation) {
  const std::string_view text = args[0].text(), from = args[1].text(), to = args[2].text();
  int64_t left = count > 3 ? args[3].integer() : -1;
  std::string result;
  size_t at = 0;
  // An empty `from` stands before each character and behind the last.
  while (left != 0 && result.size() <= Activation::kMaxBytes) {
    const size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    const size_t step = from.empty() && found < text.size() ? SequenceAt(text, found) : 0;
    result.append(text.substr(at, found - at)).append(to).append(text.substr(found, step));
    at = found + from.size() + step;
    --left;
    if (from.empty() && step == 0) break;
  }
  result.append(text.substr(at));
  return NewString(activation, result);
}

Value Reverse(const Value* args, size_t, Activation& activation) {
  const std::string_view text = args[0].text();
  char* reversed = NewArray<char>(activation, text.size());
  if (reversed == nullptr) return Exhausted();
  for (size_t at = 0; at < text.size();) {
    const size_t length = SequenceAt(text, at);
    text.copy(reversed + text.size() - at - length, length, at);
    at += length;
  }
  return Value::String({reversed, text.size()});
}

Value Split(const Value* args, size_t count, Activation& activation) {
  const std::string_view text = args[0].text(), separator = args[1].text();
  const int64_t limit = count > 2 ? args[2].integer() : -1;
  std::vector<Value> parts;
  size_t at = 0;
  while (limit != 0) {
    size_t end = std::string_view::npos, next = 0;
    if (limit < 0 || static_cast<int64_t>(parts.size()) + 1 < limit) {
      if (separator.empty()) {
        end = at < text.size() ? at + SequenceAt(text, at) : at;
        next = end;
        if (end >= text.size()) end = std::string_view::npos;
      } else {
        end = text.find(separator, at);
        next = end + separator.size();
      }
    }
    if (end == std::string_view::npos) {
      if (!separator.empty() || !text.empty()) parts.push_back(Value::String(text.substr(at)));
      break;
    }
    parts.push_back(Value::String(text.substr(at, end - at)));
    at = next;
  }
  Value* items = NewArray<Value>(activation, parts.size());
  if (items == nullptr) return Exhausted();
  std::copy(parts.begin(), parts.end(), items);
  return Value::List(items, parts.size());
}

Value Substring(const Value* args, size_t count, Activation& activation) {
  const std::string_view text = args[0].text();
  const size_t begin = OffsetOf(text, args[1].integer());
  if (begin == std::string_view::npos) return IndexOutOfRange(args[1].integer(), activation);
  if (count == 2) return Value::String(text.substr(begin));
  const size_t end = OffsetOf(text, args[2].integer());
  if (end == std::string_view::npos || end < begin) {
    return IndexOutOfRange(args[2].integer(), activation);
  }
  return Value::String(text.substr(begin, end - begin));
}

// Unicode's White_Space.
bool IsSpace(std::string_view sequence) {
  if (sequence.size() == 1) return absl::ascii_isspace(static_cast<uint8_t>(sequence[0]));
  static constexpr std::string_view kSpaces[] = {"\u0085", "\u00a0", "\u1680", "\u2000", "\u2001",
                                                 "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
                                                 "\u2007", "\u2008", "\u2009", "\u200a", "\u2028",
                                                 "\u2029", "\u202f", "\u205f", "\u3000"};
  return std::find(std::begin(kSpaces), std::end(kSpaces), sequence) != std::end(kSpaces);
}

Value Trim(const Value* args, size_t, Activation&) {
  const std::string_view text = args[0].text();
  size_t begin = text.size(), end = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t length = SequenceAt(text, at);
    if (!IsSpace(text.substr(at, length))) {
      begin = std::min(begin, at);
      end = at + length;
    }
    at += length;
  }
  return Value::String(begin < end ? text.substr(begin, end - begin) : text.substr(0, 0));
}

constexpr Type kBool{Kind::kBool}, kInt{Kind::kInt}, kString{Kind::kString};
constexpr Type kStrings{Kind::kList, Kind::kNone, Kind::kString};
constexpr Kind S = Kind::kString, I = Kind::kInt;

constexpr Function kFunctions[] = {
    {"contains",
     Style::kMember,
     kBool,
     {S, S},
     2,
     Contains,
     "whether the text has the other in it"},
    {"startsWith",
     Style::kMember,
     kBool,
     {S, S},
     2,
     StartsWith,
     "whether it begins with the other"},
    {"endsWith", Style::kMember, kBool, {S, S}, 2, EndsWith, "whether it ends with the other"},
    {"matches",
     Style::kBoth,
     kBool,
     {S, S},
     2,
     Matches,
     "whether a part of it matches the RE2 pattern"},
    {"charAt", Style::kMember, kString, {S, I}, 2, CharAt, "the character at an index"},
    {"indexOf", Style::kMember, kInt, {S, S}, 2, IndexOf, "where the other begins, or -1"},
    {"indexOf", Style::kMember, kInt, {S, S, I}, 3, IndexOf, "the same, from an index on"},
    {"lastIndexOf",
     Style::kMember,
     kInt,
     {S, S},
     2,
     LastIndexOf,
     "where the other last begins, or -1"},
    {"lastIndexOf", Style::kMember, kInt, {S, S, I}, 3, LastIndexOf, "the same, up to an index"},
    {"join", Style::kMember, kString, {Kind::kList}, 1, Join, "the strings, one after another"},
    {"join",
     Style::kMember,
     kString,
     {Kind::kList, S},
     2,
     Join,
     "the strings with the other between them"},
    {"lowerAscii",
     Style::kMember,
     kString,
     {S},
     1,
     ChangeCase<absl::ascii_tolower>,
     "A to Z as a to z"},
    {"upperAscii",
     Style::kMember,
     kString,
     {S},
     1,
     ChangeCase<absl::ascii_toupper>,
     "a to z as A to Z"},
    {"strings.quote", Style::kGlobal, kString, {S}, 1, Quote, "the text as a literal"},
    {"replace", Style::kMember, kString, {S, S, S}, 3, Replace, "all of one text by another"},
    {"replace", Style::kMember, kString, {S, S, S, I}, 4, Replace, "the first n of them"},
    {"reverse", Style::kMember, kString, {S}, 1, Reverse, "the characters from the last on"},
    {"split", Style::kMember, kStrings, {S, S}, 2, Split, "the parts between the separators"},
    {"split", Style::kMember, kStrings, {S, S, I}, 3, Split, "the same, n parts at most"},
    {"substring", Style::kMember, kString, {S, I}, 2, Substring, "from an index on"},
    {"substring", Style::kMember, kString, {S, I, I}, 3, Substring, "from one index to another"},
    {"trim", Style::kMember, kString, {S}, 1, Trim, "without white space around it"},
    {"format",
     Style::kMember,
     kString,
     {S, Kind::kList},
     2,
     FormatText,
     "%s %d %f %.2f %e %x %X %o %b replaced by the elements"},
};

}  // namespace

std::span<const Function> StringFunctions() { return kFunctions; }

}  // namespace levada::expr
