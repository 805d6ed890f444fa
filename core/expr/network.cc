#include "core/expr/network.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "core/base/strings.h"

namespace levada::expr {

bool ParseIp(std::string_view text, Address* address) {
  if (text.size() > 64 || text.find('\0') != std::string_view::npos) return false;
  const std::string copy(text);
  *address = Address();
  address->v6 = text.find(':') != std::string_view::npos;
  address->prefix = address->v6 ? 128 : 32;
  if (inet_pton(address->v6 ? AF_INET6 : AF_INET, copy.c_str(), address->bytes) != 1) return false;
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  return !address->v6 || std::memcmp(address->bytes, kMapped, sizeof(kMapped)) != 0;
}

bool ParseCidr(std::string_view text, Address* address) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view digits = text.substr(slash + 1);
  int prefix = 0;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos ||
      (digits.size() > 1 && digits[0] == '0') ||
      !absl::SimpleAtoi(base::AbslView(digits), &prefix)) {
    return false;
  }
  if (!ParseIp(text.substr(0, slash), address) || prefix > address->prefix) return false;
  address->prefix = static_cast<uint8_t>(prefix);
  return true;
}

void AppendAddress(const Address& address, bool with_prefix, std::string* out) {
  char buffer[INET6_ADDRSTRLEN];
  static constexpr uint8_t kZeros[12] = {};
  const uint8_t* const last = address.bytes + 12;
  // The C library writes these as ::1.2.3.4, which RFC 5952 has for known prefixes only.
  if (address.v6 && std::memcmp(address.bytes, kZeros, 12) == 0 && (last[0] != 0 || last[1] != 0)) {
    absl::StrAppendFormat(out, "::%x:%x", last[0] << 8 | last[1], last[2] << 8 | last[3]);
  } else {
    out->append(inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes, buffer, sizeof(buffer)));
  }
  if (with_prefix) base::StrAppend(out, "/", static_cast<int>(address.prefix));
}

Address Masked(const Address& address, int prefix) {
  Address masked = address;
  masked.prefix = static_cast<uint8_t>(prefix);
  for (int i = 0; i < 16; ++i) {
    const int kept = std::min(std::max(prefix - i * 8, 0), 8);
    masked.bytes[i] &= static_cast<uint8_t>(0xFF00 >> kept);
  }
  return masked;
}

bool Contains(const Address& block, const Address& address) {
  if (block.v6 != address.v6 || address.prefix < block.prefix) return false;
  return std::memcmp(Masked(block, block.prefix).bytes, Masked(address, block.prefix).bytes, 16) ==
         0;
}

}  // namespace levada::expr
