#include "core/base/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace levada::base {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, GrowsToItsLimitWithJitter) {
  Backoff backoff(milliseconds(100), milliseconds(1'000), /*seed=*/7);
  const milliseconds caps[] = {milliseconds(100), milliseconds(200), milliseconds(400),
                               milliseconds(800), milliseconds(1'000)};
  for (const milliseconds cap : caps) {
    const milliseconds wait = backoff.Next();
    EXPECT_GE(wait, milliseconds(1));
    EXPECT_LE(wait, cap);
  }
  milliseconds longest(0);
  std::set<int64_t> distinct;
  for (int i = 0; i < 1'000; ++i) {
    const milliseconds wait = backoff.Next();
    longest = std::max(longest, wait);
    distinct.insert(wait.count());
  }
  EXPECT_GT(longest, milliseconds(950));
  EXPECT_LE(longest, milliseconds(1'000));
  EXPECT_GT(distinct.size(), 300u);
  EXPECT_EQ(backoff.attempts(), 1'005);

  backoff.Reset();
  EXPECT_EQ(backoff.attempts(), 0);
  EXPECT_LE(backoff.Next(), milliseconds(100));
}

TEST(Backoff, IsTheSameForTheSameSeed) {
  Backoff a(milliseconds(100), milliseconds(1'000), 7);
  Backoff b(milliseconds(100), milliseconds(1'000), 7);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(a.Next(), b.Next());
}

TEST(Backoff, NeverOverflows) {
  Backoff backoff(milliseconds(1), std::chrono::hours(24 * 365));
  for (int i = 0; i < 10'000; ++i) EXPECT_GT(backoff.Next(), milliseconds(0));
  Backoff none(milliseconds(0), milliseconds(0));
  EXPECT_EQ(none.Next(), milliseconds(1));
}

}  // namespace
}  // namespace levada::base
