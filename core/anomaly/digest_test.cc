#include "core/anomaly/digest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/anomaly/forest.h"
#include "core/base/random.h"

namespace levada::anomaly {
namespace {

TEST(Digest, AgreesWithAForestOfAllThatWasSeen) {
  constexpr int kRows = 1000;
  auto forest =
      Forest::Make({.dimensions = 1, .shingle = 1, .trees = 300, .samples = kRows, .seed = 5});
  Digest small(64, 1'000'000);
  Digest exact(kRows, 1'000'000);
  base::Random random(1);
  for (int i = 0; i < kRows; ++i) {
    // Heavy tails.
    const auto x = static_cast<float>(std::tan(3 * (random.Unit() - 0.5)));
    forest->Update({{x}});
    small.Add(double{x});
    exact.Add(double{x});
  }
  for (const float x : {-100.0f, -20.0f, -9.0f, 9.0f, 16.0f, 20.0f, 50.0f, 1000.0f}) {
    const double expected = forest->Score({{x}});
    EXPECT_NEAR(exact.Score(double{x}), expected, 0.1 * expected) << x;
    EXPECT_NEAR(small.Score(double{x}), expected, 0.15 * expected) << x;
  }
}

TEST(Digest, WhatIsFarFromAllScoresAsItsDistance) {
  Digest digest(64, 10'000);
  base::Random random(1);
  for (int i = 0; i < 5000; ++i) digest.Add(random.Unit());
  EXPECT_LT(digest.Score(0.5), 1.5);
  EXPECT_LT(digest.Score(1.01), 2);
  EXPECT_GT(digest.Score(2), 5);
  EXPECT_GT(digest.Score(-20), 10);
  EXPECT_GT(digest.Score(100), digest.Score(20));
  EXPECT_LE(digest.Score(1e30), std::log2(1 + digest.weight()) + 1e-9);
  EXPECT_NEAR(digest.Median(), 0.5, 0.05);
}

TEST(Digest, AGapInTheMiddleIsSeenToo) {
  Digest digest(64, 10'000);
  base::Random random(1);
  for (int i = 0; i < 2000; ++i) digest.Add(random.Unit() + (i % 2 == 0 ? 0 : 100));
  EXPECT_LT(digest.Score(100.5), 1.5);
  EXPECT_GT(digest.Score(50), 3);
}

TEST(Digest, OftenSeenIsUsualHoweverFar) {
  Digest digest(16, 10'000);
  base::Random random(1);
  for (int i = 0; i < 2000; ++i) digest.Add(i % 10 == 0 ? 50.0 : random.Unit());
  EXPECT_LT(digest.Score(50), 1.5);
  EXPECT_GT(digest.Score(60), 1.5);
}

TEST(Digest, Forgets) {
  Digest digest(64, 1000);
  base::Random random(1);
  const auto usual = [&](int rows) {
    for (int i = 0; i < rows; ++i) digest.Add(random.Unit());
  };
  usual(1000);
  digest.Add(100);
  usual(500);
  EXPECT_LT(digest.Score(100), 7);
  usual(700);
  EXPECT_GT(digest.Score(100), 9);
}

TEST(Digest, ConstantThenNot) {
  Digest digest(64, 1000);
  for (int i = 0; i < 500; ++i) digest.Add(7);
  EXPECT_LT(digest.Score(7), 1);
  EXPECT_GT(digest.Score(7.001), 8);
}

// A weight next to nothing alone in a digest made the score infinite.
TEST(Digest, RefusesAWeightThatCannotBe) {
  for (const float weight : {0.0f, 1e-30f, 0.1f}) {
    std::string bytes;
    ByteWriter out(&bytes);
    out.Double(0);
    out.Double(0);
    out.Double(1);
    out.Number(1);
    out.Number(1);
    out.Float(0);
    out.Float(weight);
    ByteReader in(bytes);
    Digest(16, 300).Parse(in);
    EXPECT_FALSE(in.ok()) << weight;
  }
}

TEST(Digest, GoesOnTheSameAndRefusesWhatIsNotItsState) {
  Digest digest(16, 300);
  base::Random random(1);
  for (int i = 0; i < 1000; ++i) {
    const double x = std::exp(10 * random.Unit());
    if (i % 53 == 0) {
      std::string bytes;
      ByteWriter out(&bytes);
      digest.Serialize(out);
      Digest other(16, 300);
      ByteReader in(bytes);
      other.Parse(in);
      ASSERT_TRUE(in.done());
      ASSERT_EQ(other.Score(x), digest.Score(x));
      for (size_t size = 0; size < bytes.size(); ++size) {
        ByteReader cut(std::string_view(bytes).substr(0, size));
        Digest(16, 300).Parse(cut);
        ASSERT_FALSE(cut.ok());
      }
      digest = other;
    }
    digest.Add(x);
  }
}

}  // namespace
}  // namespace levada::anomaly
