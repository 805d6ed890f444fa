#include "core/base/random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace levada::base {
namespace {

TEST(Random, IsTheSameForTheSameSeed) {
  Random a(42);
  Random b(42);
  Random c(43);
  const uint64_t first = a();
  EXPECT_EQ(first, b());
  EXPECT_NE(first, c());
}

TEST(Random, BelowIsUniform) {
  Random random(1);
  std::vector<int> counts(6);
  for (int i = 0; i < 60'000; ++i) ++counts[random.Below(6)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 500);
  EXPECT_EQ(random.Below(0), 0u);
  EXPECT_EQ(random.Below(1), 0u);
}

TEST(Random, UnitIsBetweenZeroAndOne) {
  Random random(1);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double unit = random.Unit();
    ASSERT_GE(unit, 0);
    ASSERT_LT(unit, 1);
    sum += unit;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.02);
}

TEST(RandomSeed, DiffersBetweenCalls) {
  std::set<uint64_t> seeds;
  for (int i = 0; i < 100; ++i) seeds.insert(RandomSeed());
  EXPECT_EQ(seeds.size(), 100u);
}

}  // namespace
}  // namespace levada::base
