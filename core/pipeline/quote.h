#pragma once

#include <string>
#include <string_view>

namespace levada::pipeline {

// Appends `text` in double quotes, such that it reads back the same as JSON and as YAML.
void AppendQuoted(std::string_view text, std::string* out);

// Holds characters that YAML does not take unescaped, or takes for a line break.
bool HasEscapes(std::string_view text);

}  // namespace levada::pipeline
