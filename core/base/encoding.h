#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

// Bytes as text, and comparison of secrets.
//
// Thread-safety: pure functions.
namespace levada::base {

std::string HexEncode(std::string_view bytes);  // lower case
absl::StatusOr<std::string> HexDecode(std::string_view text);

std::string Base64Encode(std::string_view bytes);  // with padding
// With or without padding; white space is refused.
absl::StatusOr<std::string> Base64Decode(std::string_view text);

// Whether two byte strings are equal, in a time that depends on their lengths only.
bool SecureEquals(std::string_view a, std::string_view b);

}  // namespace levada::base
