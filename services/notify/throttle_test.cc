#include "services/notify/throttle.h"

#include <gtest/gtest.h>

#include <random>

namespace levada::notify {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Throttle::Time At(int64_t ms) { return Throttle::Time(milliseconds(ms)); }

TEST(ThrottleTest, WithoutALimitEverySlotIsNow) {
  Throttle throttle;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(throttle.NextSlot(At(5)), At(5));
    throttle.Take(At(5));
  }
}

TEST(ThrottleTest, TheNextSlotIsASpanAfterTheFirstOfTheLast) {
  Throttle throttle(2, seconds(10));
  throttle.Take(At(0));
  throttle.Take(At(3000));
  EXPECT_EQ(throttle.NextSlot(At(4000)), At(10'000));
  throttle.Take(At(10'000));
  EXPECT_EQ(throttle.NextSlot(At(10'000)), At(13'000));
}

TEST(ThrottleTest, GivenBackSlotsCanBeTakenAgain) {
  Throttle throttle(1, seconds(10));
  throttle.Take(At(0));
  throttle.GiveBack();
  EXPECT_EQ(throttle.NextSlot(At(1)), At(1));
}

TEST(ThrottleTest, NoSpanEverHoldsMoreThanTheLimit) {
  constexpr int kLimit = 5;
  constexpr int64_t kPer = 1000;
  Throttle throttle(kLimit, milliseconds(kPer));
  std::mt19937 random(1);
  std::vector<int64_t> sent;
  for (int64_t now = 0; now < 100'000; now += random() % 120) {
    if (throttle.NextSlot(At(now)) > At(now)) continue;
    throttle.Take(At(now));
    sent.push_back(now);
  }
  ASSERT_GT(sent.size(), 450u);  // and hardly fewer than it may
  for (size_t i = kLimit; i < sent.size(); ++i) EXPECT_GE(sent[i] - sent[i - kLimit], kPer);
}

}  // namespace
}  // namespace levada::notify
