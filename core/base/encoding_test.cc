#include "core/base/encoding.h"

#include <gtest/gtest.h>

namespace levada::base {
namespace {

TEST(Hex, GoesBothWays) {
  const std::string_view bytes("\x00\x7f\x80\xff z", 6);
  EXPECT_EQ(HexEncode(bytes), "007f80ff207a");
  EXPECT_EQ(*HexDecode("007f80FF207a"), bytes);
  EXPECT_EQ(*HexDecode(""), "");
  EXPECT_FALSE(HexDecode("0").ok());
  EXPECT_FALSE(HexDecode("0g").ok());
  EXPECT_FALSE(HexDecode("0x10").ok());
}

TEST(Base64, GoesBothWays) {
  EXPECT_EQ(Base64Encode("user:pass"), "dXNlcjpwYXNz");
  EXPECT_EQ(Base64Encode("a"), "YQ==");
  EXPECT_EQ(*Base64Decode("YQ=="), "a");
  EXPECT_EQ(*Base64Decode("YQ"), "a");
  EXPECT_EQ(*Base64Decode(""), "");
  EXPECT_FALSE(Base64Decode("Y Q==").ok());
  EXPECT_FALSE(Base64Decode("Y").ok());
  EXPECT_FALSE(Base64Decode("!!!!").ok());
}

TEST(SecureEquals, Compares) {
  EXPECT_TRUE(SecureEquals("", ""));
  EXPECT_TRUE(SecureEquals("token", "token"));
  EXPECT_FALSE(SecureEquals("token", "tokeN"));
  EXPECT_FALSE(SecureEquals("\x01oken", "\x02oken"));
  EXPECT_FALSE(SecureEquals("token", "token2"));
}

}  // namespace
}  // namespace levada::base
