#include "core/expr/time.h"

#include <gtest/gtest.h>

namespace levada::expr {
namespace {

std::string RoundTrip(std::string_view text) {
  Timestamp time;
  if (!ParseTimestamp(text, &time)) return "not a timestamp";
  std::string out;
  AppendTimestamp(time, &out);
  return out;
}

TEST(Time, TimestampsReadAndWrite) {
  EXPECT_EQ(RoundTrip("2026-11-02T08:00:32Z"), "2026-11-02T08:00:32Z");
  EXPECT_EQ(RoundTrip("2026-11-02T08:00:32.423000Z"), "2026-11-02T08:00:32.423Z");
  EXPECT_EQ(RoundTrip("2026-11-02T08:00:32.000000001Z"), "2026-11-02T08:00:32.000000001Z");
  EXPECT_EQ(RoundTrip("2026-11-02T00:30:00+01:00"), "2026-11-01T23:30:00Z");
  EXPECT_EQ(RoundTrip("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00Z");
  EXPECT_EQ(RoundTrip("9999-12-31T23:59:59.999999999Z"), "9999-12-31T23:59:59.999999999Z");
  EXPECT_EQ(RoundTrip("1969-12-31T23:59:59.5Z"), "1969-12-31T23:59:59.5Z");
}

TEST(Time, MalformedTimestampsAreRefused) {
  for (std::string_view text :
       {"", "2026-11-02", "2026-11-02T08:00:32", "2026-11-02 08:00:32Z", "2026-13-02T08:00:32Z",
        "2026-02-29T08:00:32Z", "2026-11-02T24:00:00Z", "2026-11-02T08:60:00Z",
        "2026-11-02T08:00:60Z", "2026-11-02T08:00:32.Z", "2026-11-02T08:00:32+1:00",
        "2026-11-02T08:00:32+24:00", "2026-11-02T08:00:32Zx", "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "-026-11-02T08:00:32Z"}) {
    EXPECT_EQ(RoundTrip(text), "not a timestamp") << text;
  }
}

TEST(Time, EveryDayOf800YearsIsItself) {
  // Civil dates are counted here one by one, as a calendar does.
  CivilTime expected;
  expected.year = 1600;
  expected.weekday = 6;  // 1600-01-01 was a Saturday
  const auto leap = [](int y) { return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0); };
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t seconds = -11'676'096'000;  // 1600-01-01T00:00:00Z
  for (; expected.year < 2400; seconds += 86'400) {
    const CivilTime civil = ToCivil(seconds + 86'399);
    ASSERT_EQ(civil.year, expected.year) << seconds;
    ASSERT_EQ(civil.month, expected.month) << seconds;
    ASSERT_EQ(civil.day, expected.day) << seconds;
    ASSERT_EQ(civil.weekday, expected.weekday) << seconds;
    ASSERT_EQ(civil.yearday, expected.yearday) << seconds;
    ASSERT_EQ(civil.hour, 23);
    ASSERT_EQ(civil.second, 59);
    expected.weekday = (expected.weekday + 1) % 7;
    ++expected.yearday;
    const bool february = expected.month == 2 && leap(expected.year);
    if (++expected.day > kDays[expected.month - 1] + february) {
      expected.day = 1;
      if (++expected.month > 12) {
        expected.month = 1;
        expected.yearday = 0;
        ++expected.year;
      }
    }
  }
}

TEST(Time, DurationsReadAndWrite) {
  const auto round_trip = [](std::string_view text) -> std::string {
    int64_t nanos = 0;
    if (!ParseDuration(text, &nanos)) return "not a duration";
    std::string out;
    AppendDuration(nanos, &out);
    return out;
  };
  EXPECT_EQ(round_trip("1h45m47s"), "6347s");
  EXPECT_EQ(round_trip("1.5h"), "5400s");
  EXPECT_EQ(round_trip("-250ms"), "-0.25s");
  EXPECT_EQ(round_trip("1us1ns"), "0.000001001s");
  EXPECT_EQ(round_trip("2µs"), "0.000002s");
  EXPECT_EQ(round_trip("0"), "0s");
  EXPECT_EQ(round_trip("+3s"), "3s");
  EXPECT_EQ(round_trip(".5s"), "0.5s");
  for (std::string_view text : {"", "s", "1", "1d", "1 s", "--1s", "1s-1s", "1.2.3s", "9999999h",
                                "99999999999999999999s", ".s", "-"}) {
    EXPECT_EQ(round_trip(text), "not a duration") << text;
  }
}

TEST(Time, Zones) {
  const Timestamp summer{1'782'864'000, 0};  // 2026-07-01T00:00:00Z
  int seconds = 0;
  ASSERT_TRUE(ZoneOffset("UTC", summer, &seconds));
  EXPECT_EQ(seconds, 0);
  ASSERT_TRUE(ZoneOffset("Europe/Berlin", summer, &seconds));
  EXPECT_EQ(seconds, 7200);
  ASSERT_TRUE(ZoneOffset("-02:30", summer, &seconds));
  EXPECT_EQ(seconds, -9000);
  ASSERT_TRUE(ZoneOffset("02:00", summer, &seconds));
  EXPECT_EQ(seconds, 7200);
  EXPECT_FALSE(ZoneOffset("Mars/Olympus", summer, &seconds));
  EXPECT_FALSE(ZoneOffset("+2", summer, &seconds));
  EXPECT_FALSE(ZoneOffset("../../etc/passwd", summer, &seconds));
}

}  // namespace
}  // namespace levada::expr
