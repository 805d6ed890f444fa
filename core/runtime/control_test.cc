#include "core/runtime/control.h"

#include <gtest/gtest.h>

#include <thread>

namespace levada::runtime {
namespace {

TEST(ControlTest, AliveUntilABeatIsMissed) {
  Control control;
  EXPECT_TRUE(control.alive()) << "before the first beat nothing is expected";
  control.Beat();
  EXPECT_TRUE(control.alive());
  control.Beat(std::chrono::seconds(0));
  EXPECT_FALSE(control.alive());
  control.Beat();
  EXPECT_TRUE(control.alive());
}

TEST(ControlTest, ReadyOnlyWhileItTakesWork) {
  Control control;
  EXPECT_FALSE(control.ready());
  control.Set(State::kRunning);
  EXPECT_TRUE(control.ready());
  control.Set(State::kRetrying, "search does not answer");
  EXPECT_FALSE(control.ready());
  EXPECT_EQ(control.message(), "search does not answer");
  control.Set(State::kDraining);
  EXPECT_FALSE(control.ready());
  EXPECT_EQ(control.message(), "");
}

}  // namespace
}  // namespace levada::runtime
