#pragma once

#include <string>
#include <string_view>

#include "core/expr/value.h"

// IP addresses and blocks of them.
//
// Thread-safety: pure functions.
namespace levada::expr {

// "192.168.0.1", "2001:db8::1". No zones ("fe80::1%en0"), no IPv4 within IPv6 ("::ffff:1.2.3.4").
bool ParseIp(std::string_view text, Address* address);
// "10.0.0.0/8", "2001:db8::/32"
bool ParseCidr(std::string_view text, Address* address);
// RFC 5952 form; with the prefix where it is a block.
void AppendAddress(const Address& address, bool with_prefix, std::string* out);
// The address with all bits behind the prefix cleared.
Address Masked(const Address& address, int prefix);
bool Contains(const Address& block, const Address& address);

}  // namespace levada::expr
