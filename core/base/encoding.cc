#include "core/base/encoding.h"

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "core/base/strings.h"

namespace levada::base {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

std::string HexEncode(std::string_view bytes) { return absl::BytesToHexString(AbslView(bytes)); }

absl::StatusOr<std::string> HexDecode(std::string_view text) {
  if (text.size() % 2 != 0) {
    return absl::InvalidArgumentError("hexadecimal text has an even number of digits");
  }
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) {
      return absl::InvalidArgumentError(
          StrCat("not hexadecimal at byte ", high < 0 ? i : i + 1, ": expected 0-9, a-f"));
    }
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

std::string Base64Encode(std::string_view bytes) { return absl::Base64Escape(AbslView(bytes)); }

absl::StatusOr<std::string> Base64Decode(std::string_view text) {
  std::string bytes;
  // Abseil would skip white space.
  if (text.find_first_of(" \t\r\n\f\v") != std::string_view::npos ||
      !absl::Base64Unescape(AbslView(text), &bytes)) {
    return absl::InvalidArgumentError("not base64: expected A-Z, a-z, 0-9, + and /, padded with =");
  }
  return bytes;
}

bool SecureEquals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
    // Keeps the compiler from leaving the loop early.
    asm volatile("" : "+r"(difference));
  }
  return difference == 0;
}

}  // namespace levada::base
