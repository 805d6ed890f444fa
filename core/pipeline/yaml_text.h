#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/pipeline/source_map.h"

// What the YAML parser does not tell of a text that it reads: how a scalar was written, where it
// ends, where a value that was left out would stand. All offsets are in bytes.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

struct BadCharacter {
  size_t offset = 0;
  std::string message;
};
// The first character that YAML does not take at all.
std::optional<BadCharacter> FindBadCharacter(std::string_view text);

// Whether a line with `---`, which starts a document, begins at `at`.
bool IsDocumentStart(std::string_view text, size_t at);

// From the anchor or tag at `at` to the value behind it.
size_t SkipProperties(std::string_view text, size_t at);

ScalarStyle StyleAt(std::string_view text, size_t at);

// Behind the scalar that begins at `begin` and reads as `value`; npos for a quote that is not
// closed.
size_t EndOfScalar(std::string_view text, size_t begin, ScalarStyle style, std::string_view value);

// `value` as UTF-8, which it is but for what yaml-cpp 0.7 makes of the escapes \N and \_: the
// lone bytes 85 and A0.
std::string RepairEscapes(std::string_view value);

// `~` or `null` where it is a value that begins at `at`; empty otherwise. It is no `value` where it
// is the next entry's key.
std::string_view NullAt(std::string_view text, size_t at, bool is_value);

// Where a value that was left out would stand: behind the last `:`, `-` or `,` between `from`, the
// end of what was read before, and `to`, the beginning of what comes next.
size_t PlaceOfNothing(std::string_view text, size_t from, size_t to);

// The first quote at or behind `from` whose text goes on beyond `to`; `to` where there is none.
size_t UnclosedQuote(std::string_view text, size_t from, size_t to);

}  // namespace levada::pipeline
