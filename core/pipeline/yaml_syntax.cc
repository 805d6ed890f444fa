#include "core/pipeline/yaml_syntax.h"

#include <yaml-cpp/exceptions.h>

#include <algorithm>
#include <array>

#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/pipeline/format.h"
#include "core/pipeline/yaml_text.h"

namespace levada::pipeline {
namespace {

enum class Place { kHere, kTab, kQuote, kEscape };

struct Rule {
  std::string_view reason;   // the beginning of the parser's message
  std::string_view message;  // $ is what stands at the place, @ where the open list or map starts
  std::string_view hint = "";
  Place place = Place::kHere;  // kTab: a tab in the indentation, if there is one, is the mistake
};

constexpr std::string_view kIndentHint = "indent the entries of a map or list alike";
constexpr std::string_view kQuoteHint = "put text that begins so in quotes";
constexpr std::string_view kEscapeHint = "write \\\\ for a backslash, or use single quotes";

constexpr std::string_view kTab = "a tab in the indentation";

namespace reason = YAML::ErrorMsg;
const std::array kRules = {
    Rule{reason::END_OF_MAP_FLOW, "expected `,` or `}` in the map that starts at @"},
    Rule{reason::END_OF_MAP, "expected the next key of the map that starts at @", kIndentHint},
    Rule{reason::END_OF_SEQ_FLOW, "expected `,` or `]` in the list that starts at @"},
    Rule{reason::END_OF_SEQ, "expected the next `- ` of the list that starts at @", kIndentHint},
    Rule{reason::MAP_VALUE, "a `:` without a key in front of it",
         "indent keys alike, each with its `:`; put text that has `: ` in it in quotes",
         Place::kTab},
    Rule{reason::BLOCK_ENTRY, "a `- ` in the middle of something else",
         "begin each element on a line of its own; put text that begins with `- ` in quotes",
         Place::kTab},
    Rule{reason::MAP_KEY, "a `? ` in the middle of something else", kQuoteHint, Place::kTab},
    Rule{reason::FLOW_END, "$ closes nothing that is open here"},
    Rule{reason::UNKNOWN_TOKEN, "no value begins with $", kQuoteHint},
    Rule{reason::TAB_IN_INDENTATION, kTab, "", Place::kTab},
    Rule{reason::EOF_IN_SCALAR, kUnclosedQuote, "", Place::kQuote},
    Rule{reason::DOC_IN_SCALAR, kUnclosedQuote, "", Place::kQuote},
    Rule{reason::INVALID_ESCAPE, "$ is no escape", kEscapeHint, Place::kEscape},
    Rule{reason::INVALID_HEX, "expected hexadecimal digits in the escape $", kEscapeHint,
         Place::kEscape},
    Rule{reason::INVALID_UNICODE, "invalid Unicode: there is no such character", "",
         Place::kEscape},
    Rule{reason::ALIAS_NOT_FOUND, "`*` without the name of an anchor", kQuoteHint},
    Rule{reason::ANCHOR_NOT_FOUND, "`&` without the name of an anchor", kQuoteHint},
    Rule{reason::CHAR_IN_ALIAS, "$ in the name of an anchor"},
    Rule{reason::CHAR_IN_ANCHOR, "$ in the name of an anchor"},
    Rule{reason::CHAR_IN_BLOCK, "text in the line of `|` or `>`", "begin it on the next line"},
};

// The first tab in front of what stands at `offset`, which people cannot see; npos without one.
size_t TabBefore(std::string_view text, size_t offset) {
  const size_t end = offset == 0 ? text.npos : text.rfind('\n', offset - 1);
  const size_t line = end == text.npos ? 0 : end + 1;
  const size_t tab = text.find_first_not_of(' ', line);
  return tab < text.size() && text[tab] == '\t' ? tab : text.npos;
}

size_t Locate(Place place, std::string_view text, const SyntaxContext& context) {
  const size_t offset = std::min(context.offset, text.size());
  if (place == Place::kQuote) return UnclosedQuote(text, context.read, offset);
  if (place != Place::kEscape || offset == 0) return offset;
  const size_t backslash = text.rfind('\\', offset - 1);
  return backslash == text.npos ? offset : backslash;
}

// The character at `at`, or the escape that begins there.
std::string At(std::string_view text, size_t at, Place place) {
  if (at >= text.size()) return "the end of the text";
  if (place == Place::kEscape) {
    const size_t end = text.find_first_of(" \t\r\n\"", at + 1);
    return Quote(text.substr(at, std::max<size_t>(2, end - at)));
  }
  const int length = base::Utf8SequenceLength(text.data() + at, text.data() + text.size());
  return Quote(text.substr(at, length));
}

std::string PositionOf(const SourceText& source, size_t offset) {
  const Problem at = ProblemAt(source, offset, "", "");
  return base::StrCat(at.line, ":", at.column);
}

}  // namespace

Problem ExplainSyntax(const SourceText& source, std::string_view reason,
                      const SyntaxContext& context) {
  const auto it = std::find_if(kRules.begin(), kRules.end(),
                               [&](const Rule& rule) { return reason.starts_with(rule.reason); });
  const Rule rule = it == kRules.end() ? Rule{reason, reason} : *it;
  const size_t offset = Locate(rule.place, source.text, context);
  const size_t tab = rule.place == Place::kTab ? TabBefore(source.text, offset) : std::string::npos;
  if (tab != std::string::npos) {
    return ProblemAt(source, tab, "", base::StrCat("not YAML: ", kTab),
                     "indent with spaces: YAML does not take tabs");
  }
  std::string message = "not YAML: ";
  for (const char c : rule.message) {
    if (c == '$') {
      message += At(source.text, offset, rule.place);
    } else if (c == '@') {
      message += PositionOf(source, context.open);
    } else {
      message += c;
    }
  }
  return ProblemAt(source, offset, "", std::move(message), std::string(rule.hint));
}

}  // namespace levada::pipeline
