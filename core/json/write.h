#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// JSON text onto the end of a string.
//
//   std::string out = "{\"amount\":";
//   AppendDouble(12.5, &out);
//
// Thread-safety: no state; each call touches only `out`.
namespace levada::json {

// Appends `text` as a JSON string with its quotes. Quotes, backslashes and control characters are
// escaped, everything else is copied; bytes that are not UTF-8 become U+FFFD, one for each byte,
// so that the result is always JSON.
void AppendString(std::string_view text, std::string* out);

// Appends the shortest number that reads back to the same double: 0.1, 1e+300. A whole number up
// to 2^53 is written as one (3, 100000; not 3.0, 1e+05), minus zero as -0.0. NaN and the
// infinities, which JSON cannot say, become null.
void AppendDouble(double value, std::string* out);

void AppendInt(int64_t value, std::string* out);
void AppendUint(uint64_t value, std::string* out);

}  // namespace levada::json
