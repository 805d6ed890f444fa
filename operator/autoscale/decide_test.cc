#include "operator/autoscale/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::autoscale {
namespace {

using testing::HasSubstr;

constexpr Time kStart{std::chrono::milliseconds(1'700'000'000'000)};

// A stage of four partitions, 100 events a second handled by a replica that has enough to do.
class DecideTest : public testing::Test {
 protected:
  // After some time with so much that arrives and is handled each second, in each partition.
  Decision After(Seconds seconds, int64_t arrived, int64_t handled) {
    observed_.now += seconds;
    for (PartitionLoad& load : *observed_.partitions) {
      load.end += arrived * seconds.count();
      load.lag = std::max<int64_t>(0, load.lag + (arrived - handled) * seconds.count());
    }
    return Look();
  }

  Decision Look() {
    Decision decision = Decide(settings_, observed_, history_);
    history_ = decision.history;
    return decision;
  }

  // One replica behind: 100 a second handled, 400 a second arrive.
  void MeasureOne() {
    Look();
    for (int i = 0; i < 4; ++i) After(Seconds(10), 100, 25);
  }

  Settings settings_;
  Observed observed_{.now = kStart,
                     .replicas = 1,
                     .ready = 1,
                     .partitions = std::vector<PartitionLoad>(4, {100'000, 1000})};
  History history_;
};

TEST_F(DecideTest, GrowsByTheFormulaAndSaysTheNumbers) {
  Look();
  const Decision decision = After(Seconds(10), 100, 25);
  EXPECT_EQ(decision.replicas, 4);
  EXPECT_EQ(decision.message,
            "7000 events wait, 400 a second arrive, a replica handles 100 a second: 4 replicas, "
            "the most: the topic has 4 partitions");
}

TEST_F(DecideTest, MaxReplicasBounds) {
  settings_.max_replicas = 2;
  Look();
  const Decision decision = After(Seconds(10), 100, 25);
  EXPECT_EQ(decision.replicas, 2);
  EXPECT_THAT(decision.message, HasSubstr("`maxReplicas` is 2"));
}

TEST_F(DecideTest, WhatIsNotKnownHolds) {
  MeasureOne();
  observed_.partitions.reset();
  observed_.unknown_because = "Kafka does not answer";
  const Decision decision = Look();
  EXPECT_EQ(decision.replicas, 1);
  EXPECT_EQ(decision.message, "the lag is not known (Kafka does not answer): kept at 1 replica");
}

TEST_F(DecideTest, ARolloutHolds) {
  Look();
  observed_.rolling_out = true;
  const Decision decision = After(Seconds(10), 100, 25);
  EXPECT_EQ(decision.replicas, 1);
  EXPECT_THAT(decision.message, HasSubstr("a rollout is under way"));
}

TEST_F(DecideTest, BoundsHoldEvenWhenNothingIsKnown) {
  settings_.min_replicas = 3;
  observed_.partitions.reset();
  EXPECT_EQ(Look().replicas, 3);
}

TEST_F(DecideTest, ACoolDownHoldsAndShowsWhatIsWanted) {
  Look();
  history_.last_change = kStart;
  const Decision decision = After(Seconds(10), 100, 25);
  EXPECT_EQ(decision.replicas, 1);
  EXPECT_EQ(decision.desired, 4);
  EXPECT_THAT(decision.message, HasSubstr("kept at 1: replicas were changed less than 30s ago"));
}

TEST_F(DecideTest, ASlowNextStageHolds) {
  observed_.downstream = {{.stage = "search", .end = 1000, .lag = 500}};
  Look();
  observed_.downstream = {{.stage = "search", .end = 2000, .lag = 2000}};
  history_.rate = 100;
  EXPECT_EQ(After(Seconds(10), 100, 25).replicas, 4) << "more than it handles nothing: it is down";
  history_ = {};
  Look();
  observed_.downstream = {{.stage = "search", .end = 3000, .lag = 2500}};
  const Decision decision = After(Seconds(10), 100, 25);
  EXPECT_EQ(decision.replicas, 1);
  EXPECT_THAT(decision.message, HasSubstr("the lag of search"));
}

TEST_F(DecideTest, AStageThatHandlesNothingIsNotGivenMore) {
  MeasureOne();
  const Decision decision = After(Seconds(90), 100, 0);
  EXPECT_EQ(decision.replicas, 1);
  EXPECT_THAT(decision.message, HasSubstr("none was handled for 1m30s"));
}

TEST_F(DecideTest, FromZeroAtOnceToZeroAfterTheCoolDown) {
  settings_.min_replicas = 0;
  observed_.replicas = observed_.ready = 0;
  EXPECT_EQ(Look().replicas, 1);
  for (PartitionLoad& load : *observed_.partitions) load.lag = 0;
  observed_.replicas = observed_.ready = 1;
  history_ = {};
  Look();
  EXPECT_EQ(After(Seconds(299), 0, 0).replicas, 1);
  const Decision decision = After(Seconds(2), 0, 0);
  EXPECT_EQ(decision.replicas, 0);
  EXPECT_EQ(decision.message, "nothing waits and nothing has arrived for 5m");
}

TEST_F(DecideTest, ATopicThatWasMadeAnewIsMeasuredAnew) {
  MeasureOne();
  observed_.partitions = std::vector<PartitionLoad>(4, {10, 10});
  EXPECT_GE(Look().replicas, 1);
  observed_.partitions = std::vector<PartitionLoad>(8, {10, 10});
  EXPECT_GE(Look().replicas, 1);
}

TEST(SettingsTest, OfAManifest) {
  v1::Stage stage;
  stage.mutable_archiving()->mutable_roll()->set_every("90s");
  v1::Autoscaling& autoscaling = *stage.mutable_autoscaling();
  autoscaling.set_min_replicas(0);
  autoscaling.set_max_replicas(7);
  autoscaling.set_target_drain_time("90s");
  autoscaling.set_scale_up_cooldown("1m");
  const Settings settings = SettingsFrom(stage);
  EXPECT_EQ(settings.commit_interval, Seconds(90));
  EXPECT_EQ(settings.min_replicas, 0);
  EXPECT_EQ(settings.max_replicas, 7);
  EXPECT_EQ(settings.target_drain_time, Seconds(90));
  EXPECT_EQ(settings.scale_up_cooldown, Seconds(60));
  EXPECT_EQ(settings.scale_down_cooldown, Seconds(300));
}

}  // namespace
}  // namespace levada::autoscale
