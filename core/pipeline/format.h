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

// What is wrong with the number, duration or size `value`, written as `got`; empty where it is
// within the bounds of the field.
std::string RangeProblem(const v1::FieldRules& rules, double value, std::string_view got);

// A bound as one writes a value of the field: "5s", "1 MiB", "10000".
std::string FormatBound(const v1::FieldRules& rules, double bound);

// What a format expects, for messages and the reference page: "a duration: 500ms, 30s, 1h30m, 7d".
std::string_view FormatName(v1::Format format);

// `text` in backquotes, shortened, control characters escaped: for messages.
std::string Quote(std::string_view text);

}  // namespace levada::pipeline
