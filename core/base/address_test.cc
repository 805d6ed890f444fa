#include "core/base/address.h"

#include <gtest/gtest.h>

namespace levada::base {
namespace {

TEST(AddressTest, NamesAndPortsAreNoAddresses) {
  for (const char* good : {"127.0.0.1", "0.0.0.0", "::", "::1", "fe80::1"}) {
    EXPECT_EQ(CheckIpAddress(good), "");
  }
  for (const char* bad : {"", "localhost", "127.0.0.1:80", "[::1]", "127.0.0", "*", "127.0.0.1 "}) {
    EXPECT_EQ(CheckIpAddress(bad), std::string("not an IP address: ") + bad);
  }
}

TEST(AddressTest, AnIpv6AddressIsBracketed) {
  EXPECT_EQ(HostPort("0.0.0.0", 9090), "0.0.0.0:9090");
  EXPECT_EQ(HostPort("::", 9090), "[::]:9090");
}

}  // namespace
}  // namespace levada::base
