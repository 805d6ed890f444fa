#include "core/anomaly/detector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/base/random.h"

namespace levada::anomaly {
namespace {

constexpr int64_t kMinute = 60'000;
constexpr Kind kKinds[] = {Kind::kCombined, Kind::kForest, Kind::kDigest, Kind::kSeasonal};

Detector MakeDetector(const Settings& settings) {
  auto detector = Detector::Make(settings);
  EXPECT_TRUE(detector.ok()) << detector.status();
  return *std::move(detector);
}

std::string Bytes(const Detector& detector) {
  std::string bytes;
  detector.Serialize(&bytes);
  return bytes;
}

// A day's wave with noise, five minutes a row.
double Daily(int row, base::Random& random) {
  return 50 + 20 * std::sin(row / 288.0 * 2 * 3.14159265358979) + 4 * random.Unit();
}

TEST(Detector, FindsASpikeAndLittleElse) {
  for (const Kind kind : kKinds) {
    Detector detector = MakeDetector({.kind = kind});
    base::Random random(1);
    int false_alarms = 0;
    for (int row = 0; row < 6000; ++row) {
      const double value = row == 5000 ? 120 : Daily(row, random);
      const Result& result = detector.Update({&value, 1}, row * 5 * kMinute);
      if (row == 5000) {
        EXPECT_TRUE(result.anomaly) << static_cast<int>(kind);
        EXPECT_GT(result.grade, 0.6);
        EXPECT_GT(result.confidence, 0.9);
        ASSERT_EQ(result.expected.size(), 1u);
        EXPECT_NEAR(result.expected[0], Daily(row, random), 15);
        EXPECT_GT(result.high[0], result.low[0]);
        EXPECT_NEAR(result.high[0] + result.low[0], result.score, 1e-9);
      } else if (row > 600 && (row < 5000 || row > 5060)) {
        false_alarms += result.anomaly;
      }
    }
    EXPECT_LE(false_alarms, 6) << static_cast<int>(kind);
  }
}

TEST(Detector, FindsAMissingPeakByTheSeason) {
  for (const Kind kind : {Kind::kCombined, Kind::kDigest, Kind::kSeasonal}) {
    Detector detector = MakeDetector({.kind = kind});
    base::Random random(1);
    const int last_day = 14 * 288;
    bool found = false;
    for (int row = 0; row < last_day + 288; ++row) {
      // On the last day the value stays where it is at midnight: nothing that was not there before.
      const double value = Daily(row >= last_day ? last_day : row, random);
      const bool anomaly = detector.Update({&value, 1}, row * 5 * kMinute).anomaly;
      found = found || (anomaly && row >= last_day);
    }
    EXPECT_TRUE(found) << static_cast<int>(kind);
  }
}

TEST(Detector, IsQuietAfterAnAnomalyUnlessItIsHigher) {
  Detector detector = MakeDetector({.kind = Kind::kDigest, .quiet = 50});
  base::Random random(1);
  int64_t time = 0;
  const auto update = [&](double value) { return detector.Update({&value, 1}, time += kMinute); };
  for (int i = 0; i < 1000; ++i) update(random.Unit());
  EXPECT_TRUE(update(5).anomaly);
  const Result second = update(-2);
  EXPECT_GT(second.score, 3.5);
  EXPECT_EQ(second.grade, 0);
  EXPECT_TRUE(update(1000).anomaly);
  for (int i = 0; i < 51; ++i) update(random.Unit());
  EXPECT_TRUE(update(-1000).anomaly);
}

TEST(Detector, NoGradeInTheWarmUp) {
  Detector detector = MakeDetector({.warm_up = 100});
  for (int row = 0; row < 100; ++row) {
    const double value = row == 90 ? 1e6 : row % 7;
    EXPECT_EQ(detector.Update({&value, 1}, row * kMinute).grade, 0) << row;
  }
}

TEST(Detector, SaysWhichDimension) {
  for (const Kind kind : kKinds) {
    Detector detector = MakeDetector({.kind = kind, .dimensions = 3});
    base::Random random(1);
    // Units that differ by orders of magnitude.
    std::vector<double> row(3);
    for (int i = 0; i < 1000; ++i) {
      row = {random.Unit(), 1e6 * random.Unit(), 1e-6 * random.Unit()};
      detector.Update(row, i * 5 * kMinute);
    }
    row = {0.5, 0.5e6, -9e-6};
    const Result& result = detector.Update(row, 1000 * 5 * kMinute, true);
    EXPECT_GT(result.low[2], 0.5 * result.score) << static_cast<int>(kind);
    EXPECT_NEAR(result.expected[0], 0.5, 0.5);
    EXPECT_NEAR(result.expected[1], 0.5e6, 0.5e6);
    EXPECT_NEAR(result.expected[2], 0.5e-6, 0.5e-6);
  }
}

TEST(Detector, WhatIsMissingIsFilledIn) {
  for (const Kind kind : kKinds) {
    Detector detector = MakeDetector({.kind = kind, .dimensions = 2});
    base::Random random(1);
    const double missing = std::nan("");
    int anomalies = 0;
    for (int i = 0; i < 3000; ++i) {
      const double x = 10 * random.Unit();
      const std::vector<double> row = {x, i % 5 == 4 ? missing : 3 * x};
      const Result& result = detector.Update(row, i * 5 * kMinute);
      EXPECT_TRUE(std::isfinite(result.score));
      if (i > 500) anomalies += result.anomaly;
      if (i == 2999) {
        EXPECT_NEAR(result.confidence, 0.5 * 3000 / 3150, 1e-9);
      }
    }
    EXPECT_LE(anomalies, 5) << static_cast<int>(kind);
    const std::vector<double> nothing = {missing, missing};
    EXPECT_TRUE(std::isfinite(detector.Update(nothing, 0).score));
  }
}

TEST(Detector, AnyNumberIsTaken) {
  for (const Kind kind : kKinds) {
    Detector detector = MakeDetector({.kind = kind, .dimensions = 1});
    const double infinity = std::numeric_limits<double>::infinity();
    const double values[] = {0.0,  -0.0,   1e308, -1e308,       infinity, -infinity,
                             1e-3, 1e-320, 1e30,  std::nan(""), 5,        -1e30};
    base::Random random(1);
    for (int i = 0; i < 5000; ++i) {
      const double value = values[random.Below(std::size(values))];
      const Result& result =
          detector.Update({&value, 1}, static_cast<int64_t>(random()), i % 3 == 0);
      ASSERT_TRUE(std::isfinite(result.score) && result.score >= 0) << value;
      ASSERT_TRUE(result.grade >= 0 && result.grade <= 1);
      for (const auto each : {result.expected, result.high, result.low}) {
        for (const double number : each) ASSERT_TRUE(std::isfinite(number)) << value;
      }
    }
    auto other = Detector::Parse(Bytes(detector));
    ASSERT_TRUE(other.ok()) << static_cast<int>(kind);
    EXPECT_EQ(Bytes(*other), Bytes(detector));
  }
}

TEST(Detector, GoesOnBitForBitTheSame) {
  for (const Kind kind : kKinds) {
    Settings settings{.kind = kind, .dimensions = 2, .shingle = 3, .trees = 7, .samples = 32};
    settings.memory = 500;
    settings.centroids = 16;
    Detector detector = MakeDetector(settings);
    Detector straight = MakeDetector(settings);
    base::Random random(1);
    for (int i = 0; i < 4000; ++i) {
      const std::vector<double> row = {Daily(i, random),
                                       random.Below(9) == 0 ? std::nan("") : random.Unit()};
      if (i % 101 == 0) {
        auto parsed = Detector::Parse(Bytes(detector));
        ASSERT_TRUE(parsed.ok()) << parsed.status();
        EXPECT_EQ(parsed->settings(), settings);
        detector = *std::move(parsed);
      }
      const Result& a = detector.Update(row, i * 5 * kMinute, true);
      const Result& b = straight.Update(row, i * 5 * kMinute, true);
      ASSERT_EQ(a.score, b.score) << i;
      ASSERT_EQ(a.grade, b.grade);
      for (size_t d = 0; d < 2; ++d) {
        ASSERT_EQ(a.expected[d], b.expected[d]) << i;
        ASSERT_EQ(a.high[d], b.high[d]);
        ASSERT_EQ(a.low[d], b.low[d]);
      }
    }
    EXPECT_EQ(Bytes(detector), Bytes(straight));
  }
}

TEST(Detector, PeekTellsWhatUpdateWouldAndLearnsNothing) {
  for (const Kind kind : kKinds) {
    Settings settings{.kind = kind, .dimensions = 2, .shingle = 3, .trees = 7, .samples = 32};
    Detector detector = MakeDetector(settings);
    base::Random random(1);
    for (int i = 0; i < 1500; ++i) {
      const std::vector<double> row = {i % 400 == 399 ? 500 : Daily(i, random),
                                       random.Below(9) == 0 ? std::nan("") : random.Unit()};
      const bool check = i < 20 || i % 37 == 0 || i % 400 == 399;
      if (!check) {
        detector.Update(row, i * 5 * kMinute);
        continue;
      }
      const std::string before = Bytes(detector);
      const Result peek = detector.Peek(row, i * 5 * kMinute);
      ASSERT_EQ(Bytes(detector), before) << i;
      const Result& result = detector.Update(row, i * 5 * kMinute);
      ASSERT_EQ(peek.score, result.score) << i << " kind " << static_cast<int>(kind);
      ASSERT_EQ(peek.grade, result.grade) << i;
      ASSERT_EQ(peek.confidence, result.confidence);
      ASSERT_EQ(peek.anomaly, result.anomaly);
    }
  }
}

TEST(Detector, SmallOnesAreSmall) {
  Detector detector = MakeDetector({.kind = Kind::kDigest});
  base::Random random(1);
  for (int row = 0; row < 20'000; ++row) {
    const double value = Daily(row, random);
    detector.Update({&value, 1}, row * 5 * kMinute);
  }
  EXPECT_LT(detector.ByteSize(), 6000u);
  EXPECT_LT(Bytes(detector).size(), 5000u);
}

TEST(Detector, RefusesWhatIsNotItsState) {
  for (const Kind kind : kKinds) {
    Settings settings{.kind = kind, .dimensions = 1, .shingle = 2, .trees = 2, .samples = 8};
    settings.centroids = 8;
    Detector detector = MakeDetector(settings);
    for (int i = 0; i < 700; ++i) {
      const double value = i * 7 % 11;
      detector.Update({&value, 1}, i * 5 * kMinute);
    }
    const std::string bytes = Bytes(detector);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(Detector::Parse(bytes.substr(0, size)).ok()) << size;
    }
    EXPECT_FALSE(Detector::Parse(bytes + "x").ok());
  }
}

TEST(Detector, ChecksSettings) {
  EXPECT_FALSE(Detector::Make({.dimensions = 0}).ok());
  EXPECT_FALSE(Detector::Make({.trees = 0}).ok());
  EXPECT_FALSE(Detector::Make({.window = 0}).ok());
  EXPECT_FALSE(Detector::Make({.centroids = 1}).ok());
  EXPECT_FALSE(Detector::Make({.threshold = -1}).ok());
  Settings seasonal{.kind = Kind::kSeasonal};
  seasonal.season = std::chrono::milliseconds(0);
  EXPECT_FALSE(Detector::Make(seasonal).ok());
}

}  // namespace
}  // namespace levada::anomaly
