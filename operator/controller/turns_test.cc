#include "operator/controller/turns.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"

namespace levada::controller {
namespace {

using kube::ObjectKey;

ObjectKey Key(size_t i) { return {"shop", base::StrCat("p", i)}; }

class TurnsTest : public testing::Test {
 protected:
  TurnsTest() {
    for (size_t i = 0; i < Turns::kMost; ++i) EXPECT_EQ(Take(i), std::nullopt);
  }

  std::optional<size_t> Take(size_t i) { return turns_.Take(Key(i), "job", now_, ended_); }

  int64_t now_ = 0;
  Turns turns_;
  Turns::Ended ended_ = [](const ObjectKey&, const Turns::Turn&) { return false; };
};

TEST_F(TurnsTest, OthersWaitUntilOneIsDone) {
  EXPECT_EQ(Take(10), 0u);
  EXPECT_EQ(Take(11), 1u);
  EXPECT_EQ(Take(10), 0u) << "it keeps its place";
  EXPECT_EQ(Take(0), std::nullopt) << "and who has a turn, his turn";
  turns_.Done(Key(0));
  EXPECT_EQ(Take(10), std::nullopt);
  EXPECT_EQ(Take(11), 0u);
}

TEST_F(TurnsTest, WhoGoesAwayIsNotWaitedFor) {
  EXPECT_EQ(Take(10), 0u);
  EXPECT_EQ(Take(11), 1u);
  turns_.Done(Key(10));
  EXPECT_EQ(Take(11), 0u);
}

TEST_F(TurnsTest, ATurnWhoseJobHasEndedIsFree) {
  EXPECT_EQ(Take(10), 0u);
  ended_ = [](const ObjectKey& pipeline, const Turns::Turn& turn) {
    return pipeline == Key(2) && turn.job == "job";
  };
  EXPECT_EQ(Take(10), std::nullopt);
  EXPECT_EQ(Take(2), 0u);
}

TEST_F(TurnsTest, JobsThatDoNotEndHoldUpOthersForABoundedTime) {
  now_ = Turns::kLongestMicros - 1;
  EXPECT_EQ(Take(10), 0u);
  now_ = Turns::kLongestMicros;
  turns_.Begin(Key(0), "job", now_);  // it is seen again, and is no younger by that
  for (size_t i = 10; i < 10 + Turns::kMost; ++i) EXPECT_EQ(Take(i), std::nullopt);
  EXPECT_EQ(Take(20), 0u);
}

TEST_F(TurnsTest, JobsThatAreThereCount) {
  turns_.Begin(Key(5), "job", 0);
  turns_.Done(Key(0));
  EXPECT_EQ(Take(10), 0u);
  turns_.Done(Key(5));
  EXPECT_EQ(Take(10), std::nullopt);
}

}  // namespace
}  // namespace levada::controller
