// CEL's regex extension and named groups. Patterns are RE2's.
#include <re2/re2.h>

#include <array>

#include "absl/strings/ascii.h"
#include "core/expr/functions.h"
#include "core/expr/support.h"
#include "core/expr/text.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

constexpr int kMaxGroups = 16;  // that a text can be split into
using Groups = std::array<re2::StringPiece, kMaxGroups + 1>;

// Never null: a group without data is one that has no part in a match.
std::string_view TextOf(Value value) { return value.text().empty() ? "" : value.text(); }

std::string_view View(const re2::StringPiece& text) { return {text.data(), text.size()}; }

std::string NotARegex(std::string_view pattern) {
  return base::StrCat("not a regular expression: '", pattern.substr(0, 60), "'");
}

// A pattern within the expression is looked at when that is compiled.
std::string CheckPattern(size_t parameter, Value argument) {
  if (parameter != 1 || !argument.is(Kind::kString)) return "";
  return CompileRegex(argument.text()) == nullptr ? NotARegex(argument.text()) : "";
}

// The pattern's groups in the match that begins at `from` or behind it.
bool Match(const re2::RE2& regex, std::string_view text, size_t from, Groups* groups) {
  const int count = std::min(regex.NumberOfCapturingGroups(), kMaxGroups) + 1;
  return regex.Match({text.data(), text.size()}, from, text.size(), re2::RE2::UNANCHORED,
                     groups->data(), count);
}

// Calls visit(groups) → bool for each match; false ends the walk. As in Go and RE2's own functions,
// an empty match directly behind the last match does not count.
template <typename Visit>
bool ForEachMatch(const re2::RE2& regex, std::string_view text, Activation& activation,
                  Visit&& visit) {
  size_t at = 0, last_end = std::string_view::npos;
  Groups groups;
  while (at <= text.size() && Match(regex, text, at, &groups)) {
    // Each search may go over the whole rest.
    if (!activation.TakeSteps(1 + static_cast<int64_t>((text.size() - at) / 256))) return false;
    const auto begin = static_cast<size_t>(groups[0].data() - text.data());
    const size_t end = begin + groups[0].size();
    if (end > begin || begin != last_end) {
      if (!visit(groups)) return true;
    }
    last_end = end;
    at = end > begin ? end : begin < text.size() ? begin + SequenceAt(text, begin) : begin + 1;
  }
  return true;
}

// Of a pattern with at most one group; null with `*error` set where it is something else.
const re2::RE2* OneGroup(const Value* args, Activation& activation, Value* error) {
  const re2::RE2* regex = activation.regexes().Get(args[1].text());
  if (regex == nullptr) {
    *error = Fail(activation, NotARegex(args[1].text()));
  } else if (regex->NumberOfCapturingGroups() > 1) {
    *error = Fail(activation, "more than one group in the pattern '", args[1].text().substr(0, 60),
                  "'; write (?:…) for the others");
  } else {
    return regex;
  }
  return nullptr;
}

// What was asked for: the group, or all that matched where there is none. Null data: nothing.
std::string_view Wanted(const re2::RE2& regex, const Groups& groups) {
  if (regex.NumberOfCapturingGroups() == 0) return View(groups[0]);
  return groups[1].empty() ? std::string_view() : View(groups[1]);
}

Value Extract(const Value* args, size_t, Activation& activation) {
  Value error;
  const re2::RE2* regex = OneGroup(args, activation, &error);
  if (regex == nullptr) return error;
  Groups groups;
  if (!Match(*regex, TextOf(args[0]), 0, &groups)) return Value::Optional(nullptr);
  const std::string_view wanted = Wanted(*regex, groups);
  if (wanted.data() == nullptr) return Value::Optional(nullptr);
  return Value::Optional(activation.arena().New<Value>(Value::String(wanted)));
}

Value ExtractAll(const Value* args, size_t, Activation& activation) {
  Value error;
  const re2::RE2* regex = OneGroup(args, activation, &error);
  if (regex == nullptr) return error;
  std::vector<Value> found;
  const bool good = ForEachMatch(*regex, TextOf(args[0]), activation, [&](const Groups& groups) {
    const std::string_view wanted = Wanted(*regex, groups);
    if (wanted.data() != nullptr) found.push_back(Value::String(wanted));
    return true;
  });
  Value* const items = good ? NewArray<Value>(activation, found.size()) : nullptr;
  if (items == nullptr) return Exhausted();
  std::copy(found.begin(), found.end(), items);
  return Value::List(items, found.size());
}

// The text of `replacement` for one match; false with `*error` set where it is malformed.
bool Expand(const re2::RE2& regex, const Groups& groups, std::string_view replacement,
            std::string* out, std::string* error) {
  for (size_t i = 0; i < replacement.size(); ++i) {
    if (replacement[i] != '\\') {
      out->push_back(replacement[i]);
      continue;
    }
    if (++i < replacement.size() && replacement[i] == '\\') {
      out->push_back('\\');
    } else if (i < replacement.size() && absl::ascii_isdigit(replacement[i])) {
      const int group = replacement[i] - '0';
      if (group > regex.NumberOfCapturingGroups()) {
        *error = base::StrCat("the replacement names group ", group, ", the pattern has ",
                              regex.NumberOfCapturingGroups());
        return false;
      }
      out->append(View(groups[group]));
    } else {
      *error = "in a replacement, \\ stands before a digit or another \\";
      return false;
    }
  }
  return true;
}

Value Replace(const Value* args, size_t count, Activation& activation) {
  const std::string_view text = TextOf(args[0]);
  int64_t left = count > 3 ? args[3].integer() : -1;
  if (left == 0) return args[0];
  const re2::RE2* regex = activation.regexes().Get(args[1].text());
  if (regex == nullptr) return Fail(activation, NotARegex(args[1].text()));
  std::string result, error;
  size_t copied = 0;
  const bool good = ForEachMatch(*regex, text, activation, [&](const Groups& groups) {
    const auto begin = static_cast<size_t>(groups[0].data() - text.data());
    result.append(text.substr(copied, begin - copied));
    copied = begin + groups[0].size();
    if (!Expand(*regex, groups, args[2].text(), &result, &error)) return false;
    return --left != 0 && result.size() <= Activation::kMaxBytes;
  });
  if (!good) return Exhausted();
  if (!error.empty()) return Fail(activation, error);
  return NewString(activation, result.append(text.substr(copied)));
}

std::string CheckGroups(size_t parameter, Value argument) {
  std::string wrong = CheckPattern(parameter, argument);
  if (!wrong.empty() || parameter != 1 || !argument.is(Kind::kString)) return wrong;
  const auto regex = CompileRegex(argument.text());
  if (regex->NamedCapturingGroups().empty()) return "the pattern has no group like (?P<name>…)";
  if (regex->NumberOfCapturingGroups() <= kMaxGroups) return "";
  return base::StrCat("the pattern has more than ", kMaxGroups, " groups");
}

// regex.groups(text, pattern): the named groups of the first match.
Value NamedGroups(const Value* args, size_t, Activation& activation) {
  const re2::RE2* regex = activation.regexes().Get(args[1].text());
  if (regex == nullptr) return Fail(activation, NotARegex(args[1].text()));
  if (regex->NumberOfCapturingGroups() > kMaxGroups) {
    return Fail(activation, "the pattern has more than ", kMaxGroups, " groups");
  }
  Groups groups;
  if (!Match(*regex, TextOf(args[0]), 0, &groups)) return Value::Optional(nullptr);
  const auto& names = regex->CapturingGroupNames();  // by number
  MapEntry* const entries = NewArray<MapEntry>(activation, names.size());
  if (entries == nullptr) return Exhausted();
  size_t count = 0;
  for (const auto& [number, name] : names) {
    if (groups[number].data() == nullptr) continue;  // a group that had no part in the match
    entries[count++] = {NewString(activation, name), Value::String(View(groups[number]))};
  }
  const Value map = Value::Map(entries, count);
  return Value::Optional(activation.arena().New<Value>(map));
}

constexpr Type kString{Kind::kString};
constexpr Type kOptionalString{Kind::kOptional, Kind::kNone, Kind::kString};
constexpr Type kOptionalMap{Kind::kOptional, Kind::kNone, Kind::kMap};
constexpr Type kStrings{Kind::kList, Kind::kNone, Kind::kString};
constexpr Kind S = Kind::kString, I = Kind::kInt;

constexpr Function kFunctions[] = {
    {"regex.extract",
     Style::kGlobal,
     kOptionalString,
     {S, S},
     2,
     Extract,
     "what a pattern's group, or all of the pattern, first matches in a text",
     false,
     CheckPattern},
    {"regex.extractAll",
     Style::kGlobal,
     kStrings,
     {S, S},
     2,
     ExtractAll,
     "the same for all matches",
     false,
     CheckPattern},
    {"regex.replace",
     Style::kGlobal,
     kString,
     {S, S, S},
     3,
     Replace,
     "the text with all matches replaced; \\\\1 in the replacement is the first group",
     false,
     CheckPattern},
    {"regex.replace",
     Style::kGlobal,
     kString,
     {S, S, S, I},
     4,
     Replace,
     "the first n of them",
     false,
     CheckPattern},
    {"regex.groups",
     Style::kGlobal,
     kOptionalMap,
     {S, S},
     2,
     NamedGroups,
     "the named groups, (?P<name>…), of the first match: a line of a log as a map",
     false,
     CheckGroups},
};

}  // namespace

std::span<const Function> RegexFunctions() { return kFunctions; }

}  // namespace levada::expr
