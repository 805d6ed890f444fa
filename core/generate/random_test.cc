#include "core/generate/random.h"

#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace levada::generate {
namespace {

// The first outputs of the reference implementation of SplitMix64 for the seed 1234567.
TEST(RandomTest, IsSplitMix64) {
  Random random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
  EXPECT_EQ(random.Next(), 9817491932198370423u);
}

TEST(RandomTest, HashTellsPlacesApart) {
  EXPECT_NE(Hash(1, 2), Hash(2, 1));
  EXPECT_NE(Hash(1, 2, 3, 4), Hash(1, 2, 4, 3));
  EXPECT_NE(Hash(0, 0), Hash(0, 0, 1));
  EXPECT_NE(Hash(0, 0, 1), Hash(0, 0, 0, 1));
}

TEST(RandomTest, BelowIsUniform) {
  Random random(1);
  std::vector<int> counts(10);
  for (int i = 0; i < 100'000; ++i) ++counts[random.Below(10)];
  for (int count : counts) EXPECT_NEAR(count, 10'000, 400);  // four standard deviations
}

TEST(RandomTest, NormalHasItsMomentsAndTails) {
  Random random(2);
  constexpr int kDraws = 200'000;
  double sum = 0;
  double squares = 0;
  int beyond_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double z = static_cast<double>(random.Normal()) / Random::kNormalOne;
    sum += z;
    squares += z * z;
    if (std::abs(z) > 2) ++beyond_two;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.01);
  EXPECT_NEAR(squares / kDraws, 1, 0.015);
  EXPECT_NEAR(static_cast<double>(beyond_two) / kDraws, 0.0455, 0.002);
}

TEST(PoissonTableTest, HasItsMeanVarianceAndZeros) {
  for (uint32_t level : {0u, 100u, 511u, 1023u}) {
    const double mean = (level + 0.5) / 256;
    Random random(level);
    constexpr int kDraws = 200'000;
    double sum = 0;
    double squares = 0;
    int zeros = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double count = PoissonTable::Get().Draw(level, &random);
      sum += count;
      squares += count * count;
      if (count == 0) ++zeros;
    }
    const double error = 4 * std::sqrt(mean / kDraws);
    EXPECT_NEAR(sum / kDraws, mean, error) << "level " << level;
    EXPECT_NEAR(squares / kDraws - (sum / kDraws) * (sum / kDraws), mean, 0.06) << level;
    EXPECT_NEAR(static_cast<double>(zeros) / kDraws, std::exp(-mean), 0.005) << level;
  }
}

}  // namespace
}  // namespace levada::generate
