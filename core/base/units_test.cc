#include "core/base/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::base {
namespace {

using std::chrono::milliseconds;

TEST(ParseDuration, ReadsWhatPeopleWrite) {
  const struct {
    std::string_view text;
    int64_t millis;
  } cases[] = {
      {"0", 0},
      {"0s", 0},
      {"500ms", 500},
      {"1s", 1'000},
      {"90s", 90'000},
      {"1m30s", 90'000},
      {"1h30m", 5'400'000},
      {"1.5h", 5'400'000},
      {"7d", 604'800'000},
      {"1d2h3m4s5ms", 93'784'005},
      {"0.25s", 250},
      {"100000d", 8'640'000'000'000},
  };
  for (const auto& test : cases) {
    const auto parsed = ParseDuration(test.text);
    ASSERT_TRUE(parsed.ok()) << test.text << ": " << parsed.status();
    EXPECT_EQ(*parsed, milliseconds(test.millis)) << test.text;
  }
}

TEST(ParseDuration, RefusesTheRestAndSaysWhatItExpected) {
  for (std::string_view text :
       {"", "5", "h", "-1s", "+1s", "1 h", "1h 30m", "30m1h", "1h1h", "1ms1s", "1y", "1S", ".5s",
        "5.s", "1e3s", "nan", "99999999999999999999s", "100001d", "1s\n"}) {
    const auto parsed = ParseDuration(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(ParseDuration("5 minutes").status().message(),
              testing::AllOf(testing::HasSubstr("\"5 minutes\""), testing::HasSubstr("1h30m")));
}

TEST(FormatDuration, IsReadBackToTheSameValue) {
  EXPECT_EQ(FormatDuration(milliseconds(0)), "0s");
  EXPECT_EQ(FormatDuration(milliseconds(90'000)), "1m30s");
  EXPECT_EQ(FormatDuration(milliseconds(604'800'000)), "7d");
  EXPECT_EQ(FormatDuration(milliseconds(-1'500)), "-1s500ms");
  for (int64_t millis : {1, 999, 1'000, 61'001, 86'399'999, 93'784'005}) {
    const milliseconds duration(millis);
    EXPECT_EQ(*ParseDuration(FormatDuration(duration)), duration) << FormatDuration(duration);
  }
}

TEST(ParseBytes, ReadsWhatPeopleWrite) {
  const struct {
    std::string_view text;
    int64_t bytes;
  } cases[] = {
      {"0", 0},
      {"1024", 1024},
      {"17B", 17},
      {"500k", 500'000},
      {"64KB", 64'000},
      {"64KiB", 65'536},
      {"128Mi", 134'217'728},
      {"1Gi", 1'073'741'824},
      {"1.5Ki", 1'536},
      {"10 MB", 10'000'000},
      {"2T", 2'000'000'000'000},
      {"1Pi", 1'125'899'906'842'624},
  };
  for (const auto& test : cases) {
    const auto parsed = ParseBytes(test.text);
    ASSERT_TRUE(parsed.ok()) << test.text << ": " << parsed.status();
    EXPECT_EQ(*parsed, test.bytes) << test.text;
  }
}

TEST(ParseBytes, RefusesTheRestAndSaysWhatItExpected) {
  for (std::string_view text : {"", "Mi", "-1", "1 2", "1Xi", "1mi", "1KiKi", "1.", "9999999P",
                                "99999999999999999999", "1Mi "}) {
    EXPECT_EQ(ParseBytes(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_THAT(ParseBytes("5 foo").status().message(), testing::HasSubstr("128Mi"));
}

TEST(FormatBytes, IsForPeople) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1 KiB");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(134'217'728), "128 MiB");
  EXPECT_EQ(FormatBytes((int64_t{1} << 20) - 1), "1 MiB");
  EXPECT_EQ(FormatBytes(-2048), "-2 KiB");
}

}  // namespace
}  // namespace levada::base
