#include "core/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace levada::base {
namespace {

TEST(Utf8, EveryCodePointIsReadBack) {
  for (uint32_t code = 0; code <= 0x110000; ++code) {
    if (code == 0x110000 || (code >= 0xD800 && code <= 0xDFFF)) continue;
    char bytes[4];
    const int size = EncodeUtf8(code, bytes);
    ASSERT_EQ(Utf8SequenceLength(bytes, bytes + size), size) << code;
    for (int cut = 1; cut < size; ++cut) {
      ASSERT_EQ(Utf8SequenceLength(bytes, bytes + cut), kUtf8Cut) << code;
    }
  }
}

// Counts, over all byte strings of one length, those that are one code point: there are as many as
// Unicode has, so no ill-formed one is among them.
TEST(Utf8, NothingElseIsWellFormed) {
  int two = 0;
  int three = 0;
  for (uint32_t bits = 0; bits < 1u << 24; ++bits) {
    const char bytes[3] = {static_cast<char>(bits >> 16), static_cast<char>(bits >> 8),
                           static_cast<char>(bits)};
    const int length = Utf8SequenceLength(bytes, bytes + 3);
    if (length == 3) ++three;
    if (length == 2 && bytes[2] == 0) ++two;
  }
  EXPECT_EQ(two, 0x800 - 0x80);
  EXPECT_EQ(three, 0x10000 - 0x800 - 0x800);
  for (std::string_view bad : {"\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                               "\xF8\x88\x80\x80", "\xF0\x90\x80\x7F", "\xF0\x90\xC0\x80"}) {
    EXPECT_EQ(Utf8SequenceLength(bad.data(), bad.data() + bad.size()), kUtf8Bad);
  }
}

TEST(IsUtf8, TakesWholeTexts) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("aé€😀"));
  EXPECT_FALSE(IsUtf8("a\xFF"));
  EXPECT_FALSE(IsUtf8("a\xE2\x82"));
}

}  // namespace
}  // namespace levada::base
