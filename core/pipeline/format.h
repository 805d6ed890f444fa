#pragma once

#include <string>
#include <string_view>

#include "levada/v1/options.pb.h"

// The formats of options.proto: what a piece of text must look like.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

// What is wrong with `text`, with what was expected: "`7 days` is no duration: …". Empty where
// nothing is. Empty text is never right, except as PLAIN. Formats that refer to something else
// (EXPRESSION, TEMPLATE, TOPIC, CONNECTION) are checked by Check.
std::string FormatProblem(const v1::FieldRules& rules, v1::Format format, std::string_view text);

// For the reference page: "a duration", "a name", …
std::string_view FormatName(v1::Format format);

// `text` in backquotes, shortened, control characters escaped: for messages.
std::string Quote(std::string_view text);

}  // namespace levada::pipeline
