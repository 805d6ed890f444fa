#include "core/anomaly/season.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/base/random.h"

namespace levada::anomaly {
namespace {

constexpr int64_t kHour = 3'600'000;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kMonday = 4 * kDay;  // 1970-01-05

double Wave(int64_t time_ms) {
  return 100 + 50 * std::sin(static_cast<double>(time_ms) / kDay * 2 * 3.14159265358979);
}

TEST(Season, LearnsADay) {
  Season season(kDay);
  for (int64_t time = kMonday; time < kMonday + kDay; time += kHour / 6) {
    EXPECT_FALSE(season.Expected(time)) << time;
    season.Learn(time, Wave(time));
  }
  for (int64_t time = kMonday + kDay; time < kMonday + 5 * kDay; time += kHour / 6) {
    if (const auto expected = season.Expected(time)) {
      EXPECT_NEAR(*expected, Wave(time), 3) << time;
    } else {
      EXPECT_LT(time, kMonday + kDay + 2 * kHour);
    }
    season.Learn(time, Wave(time));
  }
}

TEST(Season, LearnsTheWeekend) {
  Season season(kDay);
  const auto value = [](int64_t time) {
    return Wave(time) * ((time - kMonday) / kDay % 7 >= 5 ? 0.5 : 1);
  };
  for (int64_t time = kMonday; time < kMonday + 42 * kDay; time += kHour / 2) {
    season.Learn(time, value(time));
  }
  for (int64_t time = kMonday + 42 * kDay; time < kMonday + 49 * kDay; time += kHour / 2) {
    EXPECT_NEAR(season.Expected(time).value_or(0), value(time), 20) << (time - kMonday) / kHour;
  }
}

TEST(Season, AnOutlierMovesItLittle) {
  Season season(kDay);
  base::Random random(1);
  int64_t time = kMonday;
  for (; time < kMonday + 10 * kDay; time += kHour / 6) season.Learn(time, 10 + random.Unit());
  for (; time < kMonday + 10 * kDay + kHour; time += kHour / 6) season.Learn(time, 1e9);
  EXPECT_NEAR(season.Expected(time - kHour / 2 + kDay).value_or(0), 10.5, 2);
}

TEST(Season, TimesBefore1970AndBackwards) {
  Season season(kDay);
  for (int64_t time = -40 * kDay; time < -36 * kDay; time += kHour / 3) season.Learn(time, 5);
  EXPECT_NEAR(season.Expected(-30 * kDay).value_or(0), 5, 1e-6);
  season.Learn(INT64_MIN, 5);
  season.Learn(INT64_MAX, 5);
  EXPECT_NEAR(season.Expected(-30 * kDay).value_or(0), 5, 1e-6);
}

TEST(Season, GoesOnTheSame) {
  Season season(kDay);
  for (int64_t time = kMonday; time < kMonday + 9 * kDay; time += kHour / 3) {
    season.Learn(time, Wave(time));
  }
  std::string bytes;
  ByteWriter out(&bytes);
  season.Serialize(out);
  Season other(kDay);
  ByteReader in(bytes);
  other.Parse(in);
  ASSERT_TRUE(in.done());
  for (int64_t time = kMonday + 9 * kDay; time < kMonday + 20 * kDay; time += kHour / 3) {
    EXPECT_EQ(season.Expected(time), other.Expected(time));
    season.Learn(time, Wave(time));
    other.Learn(time, Wave(time));
  }
}

}  // namespace
}  // namespace levada::anomaly
