#include "core/base/time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "core/base/random.h"
#include "core/base/strings.h"

namespace levada::base {
namespace {

constexpr int64_t kNoon = 1'709'296'496'000'000;  // 2024-03-01T12:34:56Z

TEST(ParseTimestamp, TakesEveryShape) {
  const struct {
    std::string_view text;
    int64_t micros;
  } cases[] = {
      {"2024-03-01T12:34:56Z", kNoon},
      {"2024-03-01t12:34:56z", kNoon},
      {"2024-03-01 12:34:56Z", kNoon},
      {"2024-03-01T12:34:56", kNoon},
      {"2024-03-01 12:34:56 +0000", kNoon},
      {"2024-03-01T12:34:56+00:00", kNoon},
      {"2024-03-01T12:34:56-00:00", kNoon},
      {"2024-03-01T13:34:56+01:00", kNoon},
      {"2024-03-01T07:04:56-0530", kNoon},
      {"2024-03-02T02:34:56+14", kNoon},
      {"2024-03-01T12:34:56.7Z", kNoon + 700'000},
      {"2024-03-01T12:34:56.789Z", kNoon + 789'000},
      {"2024-03-01T12:34:56,789+00:00", kNoon + 789'000},
      {"2024-03-01T12:34:56.789123Z", kNoon + 789'123},
      {"2024-03-01T12:34:56.789123999Z", kNoon + 789'123},
      {"2024-03-01T12:34:56.00000000000000000000000001Z", kNoon},
      {"2024-03-01T12:34Z", kNoon - 56'000'000},
      {"2024-03-01", kNoon - 45'296'000'000},
      {"2024-02-29T00:00:00Z", 1'709'164'800'000'000},
      {"2000-02-29", 951'782'400'000'000},
      {"1970-01-01T00:00:00Z", 0},
      {"1969-12-31T23:59:59.999999Z", -1},
      {"0001-01-01T00:00:00Z", kMinMicros},
      {"9999-12-31T23:59:59.999999Z", kMaxMicros},
      {"2016-12-31T23:59:60Z", 1'483'228'800'000'000},
      {"2017-01-01T05:29:60.5+05:30", 1'483'228'800'500'000},
      {"0", 0},
      {"1709296496", kNoon},
      {"1709296496.789", kNoon + 789'000},
      {"1.709296496e9", kNoon},
      {"1709296496789", kNoon + 789'000},
      {"1709296496789123", kNoon + 789'123},
      {"1709296496789123456", kNoon + 789'123},
      {"-1", -1'000'000},
      {"-1.5", -1'500'000},
      {"1e-6", 1},
  };
  for (const auto& test : cases) {
    const auto parsed = ParseTimestamp(test.text);
    ASSERT_TRUE(parsed.ok()) << test.text << ": " << parsed.status();
    EXPECT_EQ(*parsed, test.micros) << test.text;
  }
}

TEST(ParseTimestamp, SaysWhyItRefuses) {
  const struct {
    std::string_view text;
    std::string_view why;
  } cases[] = {
      {"", "2024-03-01T12:34:56Z"},
      {"yesterday", "2024-03-01T12:34:56Z"},
      {"01/03/2024", "2024-03-01T12:34:56Z"},
      {"2024-3-1", "2024-03-01T12:34:56Z"},
      {"NaN", "2024-03-01T12:34:56Z"},
      {"Infinity", "2024-03-01T12:34:56Z"},
      {"12:34:56", "2024-03-01T12:34:56Z"},
      {"20x4-03-01", "digits in the date"},
      {"2024-13-01", "months go from 01 to 12"},
      {"2024-00-01", "months go from 01 to 12"},
      {"2024-03-00", "days go from 01 to 31"},
      {"2024-03-32", "days go from 01 to 31"},
      {"2024-02-30", "does not have that day"},
      {"2023-02-29", "does not have that day"},
      {"1900-02-29", "does not have that day"},
      {"2024-04-31", "does not have that day"},
      {"0000-01-01", "0001 to 9999"},
      {"0001-01-01T00:00:00+01:00", "0001 to 9999"},
      {"9999-12-31T23:59:59-01:00", "0001 to 9999"},
      {"2024-03-01X12:34:56", "expected T"},
      {"2024-03-01T", "a time like"},
      {"2024-03-01T1234", "a time like"},
      {"2024-03-01T24:00:00Z", "hours"},
      {"2024-03-01T12:60:00Z", "minutes"},
      {"2024-03-01T12:34:60Z", "seconds"},
      {"2024-03-01T12:59:61Z", "seconds"},
      {"2024-03-01T12:59:60Z", "23:59 UTC"},
      {"2016-12-31T23:59:60+01:00", "23:59 UTC"},
      {"2024-03-01T12:34:5", "two digits"},
      {"2024-03-01T12:34:56.Z", "after the point"},
      {"2024-03-01T12:34:56 CET", "offset"},
      {"2024-03-01T12:34:56+1", "offset"},
      {"2024-03-01T12:34:56+01:0", "offset"},
      {"2024-03-01T12:34:56+01:00x", "offset"},
      {"2024-03-01T12:34:56+24:00", "offset"},
      {"2024-03-01T12:34:56+00:60", "offset"},
      {"2024-03-01T12:34:56 ", "offset"},
      {"2024-03-01T12:34:56Zz", "behind the time"},
      {"1e400", "2024-03-01T12:34:56Z"},
      {"-99999999999", "0001 to 9999"},
      {"-81141814182270", "0001 to 9999"},
      {"-99999999999999999", "0001 to 9999"},
      {"1709296496 ", "2024-03-01T12:34:56Z"},
      {"1e30", "0001 to 9999"},
  };
  for (const auto& test : cases) {
    const auto parsed = ParseTimestamp(test.text);
    ASSERT_FALSE(parsed.ok()) << test.text;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(parsed.status().message()), testing::HasSubstr(std::string(test.why)))
        << test.text;
  }
}

TEST(ParseTimestamp, IsReadBackFromItsOwnFormat) {
  Random random(7);
  for (int i = 0; i < 200'000; ++i) {
    const int64_t micros =
        kMinMicros +
        static_cast<int64_t>(random.Below(static_cast<uint64_t>(kMaxMicros - kMinMicros)));
    const std::string text = FormatTimestamp(micros);
    const auto parsed = ParseTimestamp(text);
    ASSERT_TRUE(parsed.ok()) << text;
    ASSERT_EQ(*parsed, micros) << text;
  }
}

TEST(EpochToMicros, ChoosesTheUnitByMagnitude) {
  EXPECT_EQ(*EpochToMicros(int64_t{99'999'999'999}), 99'999'999'999'000'000);
  EXPECT_EQ(*EpochToMicros(int64_t{100'000'000'000}), 100'000'000'000'000);
  EXPECT_EQ(*EpochToMicros(int64_t{99'999'999'999'999}), 99'999'999'999'999'000);
  EXPECT_EQ(*EpochToMicros(int64_t{100'000'000'000'000}), 100'000'000'000'000);
  EXPECT_EQ(*EpochToMicros(int64_t{100'000'000'000'000'000}), 100'000'000'000'000);
  EXPECT_EQ(*EpochToMicros(INT64_MAX), 9'223'372'036'854'775);
  EXPECT_EQ(*EpochToMicros(INT64_MIN), -9'223'372'036'854'776);
  EXPECT_EQ(*EpochToMicros(1709296496.789), kNoon + 789'000);
  EXPECT_FALSE(EpochToMicros(0.0 / 0.0).ok());
  EXPECT_FALSE(EpochToMicros(1e300).ok());
}

TEST(ParseDate, TakesDatesOnly) {
  EXPECT_EQ(*ParseDate("1970-01-01"), 0);
  EXPECT_EQ(*ParseDate("2024-03-01"), 19783);
  EXPECT_FALSE(ParseDate("2024-03-01T00:00:00Z").ok());
  EXPECT_FALSE(ParseDate("2024-02-30").ok());
  EXPECT_FALSE(ParseDate("0").ok());
}

TEST(FormatTimestamp, UsesTheDigitsItNeeds) {
  EXPECT_EQ(FormatTimestamp(kNoon), "2024-03-01T12:34:56Z");
  EXPECT_EQ(FormatTimestamp(kNoon + 789'000), "2024-03-01T12:34:56.789Z");
  EXPECT_EQ(FormatTimestamp(kNoon + 1), "2024-03-01T12:34:56.000001Z");
  EXPECT_EQ(FormatTimestamp(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatTimestamp(kMinMicros), "0001-01-01T00:00:00Z");
  EXPECT_EQ(FormatTimestamp(INT64_MAX), "9999-12-31T23:59:59.999999Z");
  EXPECT_EQ(FormatTimestamp(INT64_MIN), "0001-01-01T00:00:00Z");
  std::string text;
  AppendTimestampMillis(kNoon, &text);
  EXPECT_EQ(text, "2024-03-01T12:34:56.000Z");
  EXPECT_EQ(FormatDate(19783), "2024-03-01");
}

// Every day from 0001 to 9999, against the calendar's rules counted day by day.
TEST(Calendar, CountsEveryDay) {
  int32_t days = DaysFromCivil(1, 1, 1);
  EXPECT_EQ(days, DaysFromMicros(kMinMicros));
  for (int year = 1; year <= 9999; ++year) {
    for (int month = 1; month <= 12; ++month) {
      for (int day = 1; day <= DaysInMonth(year, month); ++day, ++days) {
        ASSERT_EQ(DaysFromCivil(year, month, day), days);
        const CivilTime civil = CivilFromDays(days);
        ASSERT_EQ(civil.year, year);
        ASSERT_EQ(civil.month, month);
        ASSERT_EQ(civil.day, day);
      }
    }
  }
  EXPECT_EQ(days - 1, DaysFromMicros(kMaxMicros));
}

TEST(Calendar, AgreesWithTheSystem) {
  Random random(3);
  for (int i = 0; i < 1'000; ++i) {
    const int64_t seconds = static_cast<int64_t>(random.Below(250'000'000'000)) - 60'000'000'000;
    const time_t time = seconds;
    std::tm expected;
    gmtime_r(&time, &expected);
    const CivilTime civil = CivilFromMicros(seconds * kMicrosPerSecond);
    EXPECT_EQ(civil.year, expected.tm_year + 1900);
    EXPECT_EQ(civil.month, expected.tm_mon + 1);
    EXPECT_EQ(civil.day, expected.tm_mday);
    EXPECT_EQ(civil.hour, expected.tm_hour);
    EXPECT_EQ(civil.minute, expected.tm_min);
    EXPECT_EQ(civil.second, expected.tm_sec);
  }
}

}  // namespace
}  // namespace levada::base
