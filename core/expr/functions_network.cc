// IP addresses and CIDR blocks.
#include <algorithm>

#include "core/expr/functions.h"
#include "core/expr/network.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

using Style = Function::Style;

Value MakeIp(std::string_view text, Activation& activation) {
  Address address;
  if (!ParseIp(text, &address)) {
    return Fail(activation, "not an IP address: '", text.substr(0, 60), "'");
  }
  return Value::Ip(activation.arena().New<Address>(address));
}

Value MakeCidr(std::string_view text, Activation& activation) {
  Address address;
  if (!ParseCidr(text, &address)) {
    return Fail(activation, "not a CIDR block: '", text.substr(0, 60), "'");
  }
  return Value::Cidr(activation.arena().New<Address>(address));
}

Value IpFromString(const Value* args, size_t, Activation& activation) {
  return MakeIp(args[0].text(), activation);
}
Value CidrFromString(const Value* args, size_t, Activation& activation) {
  return MakeCidr(args[0].text(), activation);
}
Value IsIp(const Value* args, size_t, Activation&) {
  Address address;
  return Value::Bool(ParseIp(args[0].text(), &address));
}
Value IsCidr(const Value* args, size_t, Activation&) {
  Address address;
  return Value::Bool(ParseCidr(args[0].text(), &address));
}

Value IsCanonical(const Value* args, size_t, Activation& activation) {
  const Value ip = MakeIp(args[0].text(), activation);
  if (!ip.ok()) return ip;
  std::string text;
  AppendAddress(ip.address(), false, &text);
  return Value::Bool(text == args[0].text());
}

Value Family(const Value* args, size_t, Activation&) {
  return Value::Int(args[0].address().v6 ? 6 : 4);
}

bool Unspecified(const Address& a) {
  for (const uint8_t byte : a.bytes) {
    if (byte != 0) return false;
  }
  return true;
}
bool Loopback(const Address& a) {
  if (!a.v6) return a.bytes[0] == 127;
  Address rest = a;
  rest.bytes[15] = 0;
  return a.bytes[15] == 1 && Unspecified(rest);
}
bool LinkLocalUnicast(const Address& a) {
  return a.v6 ? a.bytes[0] == 0xFE && (a.bytes[1] & 0xC0) == 0x80
              : a.bytes[0] == 169 && a.bytes[1] == 254;
}
bool LinkLocalMulticast(const Address& a) {
  return a.v6 ? a.bytes[0] == 0xFF && (a.bytes[1] & 0x0F) == 2
              : a.bytes[0] == 224 && a.bytes[1] == 0 && a.bytes[2] == 0;
}
bool Multicast(const Address& a) { return a.v6 ? a.bytes[0] == 0xFF : (a.bytes[0] & 0xF0) == 0xE0; }
bool Broadcast(const Address& a) {
  return !a.v6 && a.bytes[0] == 255 && a.bytes[1] == 255 && a.bytes[2] == 255 && a.bytes[3] == 255;
}
bool GlobalUnicast(const Address& a) {
  return !Broadcast(a) && !Unspecified(a) && !Loopback(a) && !Multicast(a) && !LinkLocalUnicast(a);
}

template <bool (*test)(const Address&)>
Value Test(const Value* args, size_t, Activation&) {
  return Value::Bool(test(args[0].address()));
}

Value ContainsAddress(const Value* args, size_t, Activation&) {
  return Value::Bool(Contains(args[0].address(), args[1].address()));
}
Value ContainsIpText(const Value* args, size_t, Activation& activation) {
  const Value ip = MakeIp(args[1].text(), activation);
  return ip.ok() ? Value::Bool(Contains(args[0].address(), ip.address())) : ip;
}
Value ContainsCidrText(const Value* args, size_t, Activation& activation) {
  const Value cidr = MakeCidr(args[1].text(), activation);
  return cidr.ok() ? Value::Bool(Contains(args[0].address(), cidr.address())) : cidr;
}

Value IpOfCidr(const Value* args, size_t, Activation& activation) {
  Address address = args[0].address();
  address.prefix = address.v6 ? 128 : 32;
  return Value::Ip(activation.arena().New<Address>(address));
}
Value MaskedCidr(const Value* args, size_t, Activation& activation) {
  const Address& address = args[0].address();
  return Value::Cidr(activation.arena().New<Address>(Masked(address, address.prefix)));
}
Value IsMask(const Value* args, size_t, Activation&) {
  const Address& address = args[0].address();
  const Address masked = Masked(address, address.prefix);
  return Value::Bool(std::equal(address.bytes, address.bytes + 16, masked.bytes));
}
Value PrefixLength(const Value* args, size_t, Activation&) {
  return Value::Int(args[0].address().prefix);
}

constexpr Type kBool{Kind::kBool}, kInt{Kind::kInt}, kIp{Kind::kIp}, kCidr{Kind::kCidr};
constexpr Kind S = Kind::kString, IP = Kind::kIp, C = Kind::kCidr;

constexpr Function kFunctions[] = {
    {"ip", Style::kGlobal, kIp, {S}, 1, IpFromString, "an address, of either family"},
    {"isIP", Style::kGlobal, kBool, {S}, 1, IsIp, "whether the text is an address"},
    {"ip.isCanonical",
     Style::kGlobal,
     kBool,
     {S},
     1,
     IsCanonical,
     "whether it is written as RFC 5952 wants it"},
    {"cidr", Style::kGlobal, kCidr, {S}, 1, CidrFromString, "a block, as in 10.0.0.0/8"},
    {"isCIDR", Style::kGlobal, kBool, {S}, 1, IsCidr, "whether the text is a block"},
    {"family", Style::kMember, kInt, {IP}, 1, Family, "4 or 6"},
    {"isUnspecified", Style::kMember, kBool, {IP}, 1, Test<Unspecified>, "0.0.0.0 or ::"},
    {"isLoopback", Style::kMember, kBool, {IP}, 1, Test<Loopback>, "127.0.0.0/8 or ::1"},
    {"isGlobalUnicast",
     Style::kMember,
     kBool,
     {IP},
     1,
     Test<GlobalUnicast>,
     "neither of the special ones"},
    {"isLinkLocalUnicast",
     Style::kMember,
     kBool,
     {IP},
     1,
     Test<LinkLocalUnicast>,
     "169.254.0.0/16 or fe80::/10"},
    {"isLinkLocalMulticast",
     Style::kMember,
     kBool,
     {IP},
     1,
     Test<LinkLocalMulticast>,
     "224.0.0.0/24 or ff02::/16"},
    {"containsIP",
     Style::kMember,
     kBool,
     {C, IP},
     2,
     ContainsAddress,
     "whether it is in the block"},
    {"containsIP", Style::kMember, kBool, {C, S}, 2, ContainsIpText, "the same, from text"},
    {"containsCIDR",
     Style::kMember,
     kBool,
     {C, C},
     2,
     ContainsAddress,
     "whether all of the other is in the block"},
    {"containsCIDR", Style::kMember, kBool, {C, S}, 2, ContainsCidrText, "the same, from text"},
    {"ip", Style::kMember, kIp, {C}, 1, IpOfCidr, "the block's address"},
    {"masked", Style::kMember, kCidr, {C}, 1, MaskedCidr, "the block, its other bits cleared"},
    {"isMask", Style::kMember, kBool, {C}, 1, IsMask, "whether its other bits are clear"},
    {"prefixLength", Style::kMember, kInt, {C}, 1, PrefixLength, "bits of the prefix"},
};

}  // namespace

std::span<const Function> NetworkFunctions() { return kFunctions; }

}  // namespace levada::expr
