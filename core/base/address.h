#pragma once

#include <arpa/inet.h>

#include <string>
#include <string_view>

#include "core/base/strings.h"

// IP addresses that a program listens on, as its flags have them.
//
//   app.add_option("--listen", flags.listen, "…")->check(CheckIpAddress);
//   builder.AddListeningPort(HostPort(flags.listen, 9090), …);   // 127.0.0.1:9090, [::]:9090
//
// Thread-safety: pure functions.
namespace levada::base {

// Empty for an IPv4 or IPv6 address (without brackets; names are none), else what is wrong: the
// form in which CLI11 asks.
inline std::string CheckIpAddress(const std::string& text) {
  unsigned char bytes[sizeof(in6_addr)];
  if (inet_pton(AF_INET, text.c_str(), bytes) == 1) return "";
  if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) return "";
  return StrCat("not an IP address: ", text);
}

inline std::string HostPort(std::string_view address, int port) {
  const bool v6 = address.find(':') != std::string_view::npos;
  return v6 ? StrCat("[", address, "]:", port) : StrCat(address, ":", port);
}

}  // namespace levada::base
