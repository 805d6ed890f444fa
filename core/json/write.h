#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/json/scan.h"

// Writing JSON onto a growing buffer, and splicing fields into an event without parsing it again.
// `Buffer` is anything with append(const char*, size_t) and push_back(char): std::string, Bytes.
namespace levada::json {

// Appends `text` (UTF-8) as a JSON string with its quotes.
void AppendString(std::string_view text, std::string* out);
// Shortest form that reads back to the same double; NaN and infinities become null.
void AppendDouble(double value, std::string* out);
void AppendInt(int64_t value, std::string* out);
void AppendUint(uint64_t value, std::string* out);

}  // namespace levada::json
