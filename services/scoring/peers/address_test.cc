#include "services/scoring/peers/address.h"

#include <gtest/gtest.h>

namespace levada::scoring::peers {
namespace {

TEST(AddressTest, WhatAWorkerSaysIsWhereItsPeersFindIt) {
  EXPECT_EQ(ClientId("10.0.0.7", 9091), "levada-detector/10.0.0.7:9091");
  EXPECT_EQ(*ParseAddress(ClientId("10.0.0.7", 9091), "/10.9.9.9"), "ipv4:10.0.0.7:9091");
  EXPECT_EQ(ClientId("fd00::7", 1), "levada-detector/[fd00::7]:1");
  EXPECT_EQ(*ParseAddress(ClientId("fd00::7", 1), ""), "ipv6:[fd00::7]:1");
}

TEST(AddressTest, WithoutAnAddressItIsWhereKafkaSeesIt) {
  const std::string id = ClientId("", 65535);
  EXPECT_EQ(id, "levada-detector/:65535");
  EXPECT_EQ(*ParseAddress(id, "/10.0.0.7"), "ipv4:10.0.0.7:65535");
  EXPECT_EQ(*ParseAddress(id, "10.0.0.7"), "ipv4:10.0.0.7:65535");
  EXPECT_EQ(*ParseAddress(id, "worker-1.example.com/10.0.0.7"), "ipv4:10.0.0.7:65535");
  EXPECT_EQ(*ParseAddress(id, "/fd00:0:0:0:0:0:0:7"), "ipv6:[fd00:0:0:0:0:0:0:7]:65535");
  EXPECT_FALSE(ParseAddress(id, "").ok());
  EXPECT_FALSE(ParseAddress(id, "/").ok());
  EXPECT_FALSE(ParseAddress(id, "worker-1").ok());
}

TEST(AddressTest, AnythingElseIsNoAddress) {
  for (const char* id : {"",
                         "rdkafka",
                         "levada-detector",
                         "levada-detector/",
                         "levada-detector/10.0.0.7",
                         "levada-detector/10.0.0.7:",
                         "levada-detector/10.0.0.7:0",
                         "levada-detector/10.0.0.7:65536",
                         "levada-detector/10.0.0.7:+1",
                         "levada-detector/10.0.0.7: 1",
                         "levada-detector/10.0.0.7:1 ",
                         "levada-detector/10.0.0.7:99999999999999999999",
                         "levada-detector/10.0.0:9091",
                         "levada-detector/example.com:9091",
                         "levada-detector/10.0.0.7,10.0.0.8:9091",
                         "levada-detector/unix:9091",
                         "levada-detector/fd00::7:9091",
                         "levada-detector/[]:9091",
                         "levada-detector/[:9091",
                         "levada-detector/[10.0.0.7]:9091",
                         "levada-detector/[fd00::7%eth0]:9091",
                         "LEVADA-DETECTOR/10.0.0.7:9091",
                         "xlevada-detector/10.0.0.7:9091",
                         "levada-detector//10.0.0.7:9091"}) {
    EXPECT_FALSE(ParseAddress(id, "/10.0.0.9").ok()) << id;
  }
  const std::string_view with_zero("levada-detector/10.0.0.7\0.evil:9091", 36);
  EXPECT_FALSE(ParseAddress(with_zero, "/10.0.0.9").ok());
}

}  // namespace
}  // namespace levada::scoring::peers
