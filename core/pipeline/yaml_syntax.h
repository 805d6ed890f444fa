#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/pipeline/problem.h"
#include "core/pipeline/source_map.h"

namespace levada::pipeline {

inline constexpr std::string_view kUnclosedQuote = "the quoted text that begins here does not end";

// How far the parser had come when it gave up.
struct SyntaxContext {
  size_t offset = 0;  // of what it did not expect
  size_t read = 0;    // behind the last value that it had read
  size_t open = 0;    // beginning of the innermost list or map that has not ended
};

// What the parser's `reason` means to whoever wrote the text, and where to look for the mistake.
Problem ExplainSyntax(const SourceText& source, std::string_view reason,
                      const SyntaxContext& context);

}  // namespace levada::pipeline
