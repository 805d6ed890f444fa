#include "core/json/write.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

namespace levada::json {
namespace {

std::string Text(std::string_view text) {
  std::string out;
  AppendString(text, &out);
  return out;
}

std::string Number(double value) {
  std::string out;
  AppendDouble(value, &out);
  return out;
}

TEST(AppendString, EscapesWhatMustBe) {
  EXPECT_EQ(Text(""), "\"\"");
  EXPECT_EQ(Text("plain / é 😀"), "\"plain / é 😀\"");
  EXPECT_EQ(Text("a\"b\\c\b\f\n\r\t"), R"("a\"b\\c\b\f\n\r\t")");
  EXPECT_EQ(Text(std::string_view("\0\x1f\x7f", 3)), "\"\\u0000\\u001f\x7f\"");
}

TEST(AppendString, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(Text("a\xFFz"), "\"a\uFFFDz\"");
  EXPECT_EQ(Text("a\xE2\x82"), "\"a\uFFFD\uFFFD\"");
  EXPECT_EQ(Text("\xC0\xAF"), "\"\uFFFD\uFFFD\"");
}

TEST(AppendString, IsReadBackByAnotherParser) {
  std::mt19937 random(7);
  for (int round = 0; round < 5'000; ++round) {
    std::string text;
    for (size_t i = random() % 60; i > 0; --i) text.push_back(static_cast<char>(random() % 0x80));
    EXPECT_EQ(nlohmann::json::parse(Text(text)).get<std::string>(), text);
  }
}

TEST(AppendDouble, IsShortestAndReadable) {
  const struct {
    double value;
    std::string_view text;
  } cases[] = {
      {0, "0"},
      {-0.0, "-0.0"},
      {3, "3"},
      {-17, "-17"},
      {100000, "100000"},
      {9007199254740992, "9007199254740992"},
      {0.1, "0.1"},
      {12.5, "12.5"},
      {1e300, "1e+300"},
      {5e-324, "5e-324"},
      {std::numeric_limits<double>::quiet_NaN(), "null"},
      {std::numeric_limits<double>::infinity(), "null"},
      {-std::numeric_limits<double>::infinity(), "null"},
  };
  for (const auto& test : cases) EXPECT_EQ(Number(test.value), test.text);
}

TEST(AppendDouble, ReadsBackToTheSameDouble) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 100'000; ++round) {
    const uint64_t bits = random();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(std::strtod(Number(value).c_str(), nullptr), value);
  }
}

TEST(AppendInt, WritesTheExtremes) {
  std::string out;
  AppendInt(std::numeric_limits<int64_t>::min(), &out);
  out.push_back(' ');
  AppendUint(std::numeric_limits<uint64_t>::max(), &out);
  EXPECT_EQ(out, "-9223372036854775808 18446744073709551615");
}

}  // namespace
}  // namespace levada::json
