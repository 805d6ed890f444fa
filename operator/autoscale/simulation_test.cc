#include "operator/autoscale/simulation.h"

#include <gtest/gtest.h>

#include <iostream>
#include <numbers>

namespace levada::autoscale {
namespace {

constexpr int kMinute = 60;
constexpr int kHour = 60 * kMinute;
constexpr int kDay = 24 * kHour;

double Drained(double rate) { return 15 * rate; }  // lag of a stage that keeps up, with noise

void Print(const char* what, const SimulatedStage& stage, int seconds) {
  std::cout << what << ": " << stage.changes << " changes, " << stage.reversals
            << " reversals, at most " << stage.most_replicas << " replicas, "
            << FormatRate(stage.replica_seconds / seconds) << " on average, lag at most "
            << FormatRate(stage.most_lag) << "; now " << stage.replicas() << ": " << stage.message
            << '\n';
}

TEST(SimulationTest, AStepIsMetWithinAFewDrainTimesAndThenNothingMoves) {
  Simulation simulation({{.partitions = 12, .rate = 200}}, 1);
  SimulatedStage& stage = simulation.stage(0);
  const auto load = [](int second) { return second < 10 * kMinute ? 100.0 : 1000.0; };
  int drained_at = 0;
  simulation.Run(2 * kHour, load, [&](int second) {
    if (second > 12 * kMinute && drained_at == 0 && stage.Lag() < Drained(1000)) {
      drained_at = second - 10 * kMinute;
    }
  });
  Print("step", stage, 2 * kHour);
  EXPECT_GT(drained_at, 0);
  EXPECT_LE(drained_at, 5 * 60) << "k = 5: two steps, each with its start and cool-down";
  EXPECT_LE(stage.reversals, 2) << "up to drain, down to what is left to do, one try too many";
  EXPECT_GE(stage.replicas(), 5);
  EXPECT_LE(stage.replicas(), 8);
  const int changes = stage.changes;
  simulation.Run(3 * kHour, load);
  EXPECT_EQ(stage.changes, changes) << stage.message;
}

TEST(SimulationTest, ARampIsFollowedInOneDirection) {
  Simulation simulation({{.partitions = 24, .rate = 200}}, 2);
  SimulatedStage& stage = simulation.stage(0);
  simulation.Run(2 * kHour, [](int second) { return 50 + second * 2000.0 / (2 * kHour); });
  Print("ramp", stage, 2 * kHour);
  EXPECT_LE(stage.reversals, 2);
  EXPECT_LT(stage.most_lag, 60 * 2000);
  EXPECT_GE(stage.replicas(), 10);
}

TEST(SimulationTest, ADayGoesUpOnceAndDownOnce) {
  Simulation simulation({{.partitions = 12, .rate = 200}}, 3);
  SimulatedStage& stage = simulation.stage(0);
  const auto load = [](int second) {
    return 900 - 800 * std::cos(2 * std::numbers::pi * second / kDay);
  };
  simulation.Run(2 * kDay, load);
  Print("two days", stage, 2 * kDay);
  EXPECT_LE(stage.reversals, 6) << "three of the load itself";
  EXPECT_LT(stage.most_lag, 2 * 60 * 1700);
  // Without autoscaling: 9 all day. The mean of the load needs 4.5 replicas.
  EXPECT_LT(stage.replica_seconds / (2 * kDay), 7);
}

TEST(SimulationTest, SpikesAreDrainedAndDoNotPumpTheReplicas) {
  Simulation simulation({{.partitions = 12, .rate = 200}}, 4);
  SimulatedStage& stage = simulation.stage(0);
  // Half a minute of 2,000 a second, every three minutes: nearer together than the cool-down.
  const auto load = [](int second) { return second % 180 < 30 ? 2000.0 : 100.0; };
  simulation.Run(4 * kHour, load);
  Print("spikes", stage, 4 * kHour);
  EXPECT_LE(stage.reversals, 4);
  EXPECT_LT(stage.most_lag, 3 * 30 * 2000);
}

TEST(SimulationTest, EmptyPartitionsAskForNoReplicas) {
  StageModel model{.partitions = 12, .rate = 200, .weights = {1, 0, 0, 0, 0, 0, 0, 1}};
  Simulation simulation({model}, 5);
  SimulatedStage& stage = simulation.stage(0);
  simulation.Run(2 * kHour, [](int) { return 350.0; });
  Print("two of twelve partitions in use", stage, 2 * kHour);
  EXPECT_LE(stage.most_replicas, 3);
  EXPECT_LT(stage.Lag(), Drained(350));
  EXPECT_LE(stage.reversals, 2);
}

TEST(SimulationTest, FullPartitionsThatFallTogetherAreParted) {
  // Neighbours: with two replicas, and with three, both are the first one's.
  StageModel model{.partitions = 12, .rate = 200, .weights = {1, 0, 0, 1}};
  Simulation simulation({model}, 6);
  SimulatedStage& stage = simulation.stage(0);
  simulation.Run(3 * kHour, [](int) { return 350.0; });
  Print("two partitions that fall together", stage, 3 * kHour);
  EXPECT_LT(stage.Lag(), Drained(350)) << stage.message;
  EXPECT_LE(stage.reversals, 2);
  const int changes = stage.changes;
  simulation.Run(6 * kHour, [](int) { return 350.0; });
  EXPECT_LE(stage.changes, changes + 1) << "what was learned is kept: " << stage.message;
}

TEST(SimulationTest, AHotPartitionDoesNotBuyReplicasThatStandIdle) {
  StageModel model{.partitions = 12, .rate = 200};
  model.weights.assign(12, 0.2);
  model.weights[4] = 10;
  Simulation simulation({model}, 7);
  SimulatedStage& stage = simulation.stage(0);
  simulation.Run(2 * kHour, [](int) { return 400.0; });  // 327 of them in one partition
  Print("one hot partition", stage, 2 * kHour);
  EXPECT_LE(stage.most_replicas, 4) << "its lag grows for ever: only a new key could help";
  EXPECT_LE(stage.reversals, 2);
}

TEST(SimulationTest, SlowStartsDoNotMakeItAskAgainAndAgain) {
  Simulation simulation({{.partitions = 24, .rate = 200, .start_seconds = 150}}, 8);
  SimulatedStage& stage = simulation.stage(0);
  const auto load = [](int second) { return second < 10 * kMinute ? 100.0 : 1000.0; };
  simulation.Run(10 * kMinute, load);
  simulation.Run(2 * kHour, load);
  Print("slow starts", stage, 2 * kHour);
  EXPECT_LT(stage.Lag(), Drained(1000));
  EXPECT_LE(stage.reversals, 2);
  EXPECT_LE(stage.changes, 15);
}

TEST(SimulationTest, ToZeroAndBack) {
  StageModel model{.partitions = 6, .rate = 200};
  model.settings.min_replicas = 0;
  Simulation simulation({model}, 9);
  SimulatedStage& stage = simulation.stage(0);
  const auto quiet = [](int) { return 0.0; };
  simulation.Run(30 * kMinute, [](int) { return 150.0; });
  EXPECT_EQ(stage.replicas(), 1);
  simulation.Run(4 * kMinute, quiet);
  EXPECT_EQ(stage.replicas(), 1) << "not before its cool-down";
  simulation.Run(10 * kMinute, quiet);
  EXPECT_EQ(stage.replicas(), 0) << stage.message;
  simulation.Run(kDay, quiet);
  EXPECT_EQ(stage.changes, 1) << "one change in a quiet day";
  simulation.Run(20, [](int) { return 3000.0; });  // 60,000 events
  EXPECT_GE(stage.replicas(), 1) << "at once";
  simulation.Run(5 * kMinute, quiet);
  EXPECT_LT(stage.Lag(), 1) << stage.message;
  EXPECT_GT(stage.most_replicas, 3) << "the rate of a replica is remembered over zero";
  simulation.Run(20 * kMinute, quiet);
  Print("to zero and back", stage, simulation.second());
  EXPECT_EQ(stage.replicas(), 0);
}

TEST(SimulationTest, ASlowNextStageHoldsThisOneUntilItKeepsUp) {
  StageModel first{.partitions = 12, .rate = 200};
  StageModel next{.partitions = 12, .rate = 40};  // all of it: 480 a second
  next.settings.max_replicas = 12;
  Simulation simulation({first, next}, 10);
  const auto load = [](int second) { return second < 10 * kMinute ? 30.0 : 2000.0; };
  simulation.Run(90 * kMinute, load);
  Print("before a slow stage", simulation.stage(0), 90 * kMinute);
  Print("the slow stage", simulation.stage(1), 90 * kMinute);
  // Without back-pressure it would have ten, and the next topic would hold what this one holds now.
  EXPECT_LE(simulation.stage(0).replicas(), 8) << simulation.stage(0).message;
  EXPECT_GE(simulation.stage(1).replicas(), 9) << simulation.stage(1).message;
  EXPECT_LE(simulation.stage(0).reversals, 2);
  // The load goes: both drain.
  simulation.Run(12 * kHour, [](int) { return 30.0; });
  EXPECT_LT(simulation.stage(0).Lag(), Drained(30));
  EXPECT_LT(simulation.stage(1).Lag(), Drained(30)) << simulation.stage(1).message;
  Print("after it", simulation.stage(1), simulation.second());
}

TEST(SimulationTest, AStageThatCommitsOnceAMinuteIsNotTakenForOneThatLags) {
  StageModel model{.partitions = 12, .rate = 2000, .commit_seconds = 60};
  model.settings.commit_interval = Seconds(60);
  Simulation simulation({model}, 11);
  SimulatedStage& stage = simulation.stage(0);
  simulation.Run(3 * kHour, [](int) { return 1000.0; });
  Print("commits once a minute", stage, 3 * kHour);
  EXPECT_EQ(stage.most_replicas, 0) << "never changed";
}

TEST(SimulationTest, AfterARestartOfTheOperatorTooManyReplicasAreFound) {
  Simulation simulation({{.partitions = 12, .rate = 200, .replicas = 8}}, 12);
  SimulatedStage& stage = simulation.stage(0);
  simulation.Run(4 * kHour, [](int) { return 150.0; });
  Print("eight for the work of one", stage, 4 * kHour);
  EXPECT_LE(stage.replicas(), 2) << stage.message;
  EXPECT_LE(stage.reversals, 2);
}

// Whatever the numbers: bounds hold, it does not swing, and what can be drained is drained.
TEST(SimulationTest, AnyStageUnderAnyLoad) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    base::Random random(seed);
    StageModel model;
    model.partitions = 1 + static_cast<int>(random.Below(32));
    model.rate = 20 + random.Unit() * 2000;
    model.start_seconds = 2 + static_cast<int>(random.Below(120));
    model.rebalance_seconds = static_cast<int>(random.Below(8));
    model.settings.min_replicas = static_cast<int>(random.Below(2));
    model.weights.assign(model.partitions, 0);
    const double empty = random.Below(3) == 0 ? 0.5 : 0;
    for (double& weight : model.weights) {
      if (random.Unit() >= empty) weight = 0.7 + 0.6 * random.Unit();
    }
    model.weights[0] = 1;
    double heaviest = 0;
    double total = 0;
    for (double weight : model.weights) total += weight, heaviest = std::max(heaviest, weight);
    // A load that one replica a partition can carry.
    const double peak = 0.7 * model.rate * total / heaviest * random.Unit();
    const double base = peak * 0.5 * random.Unit();
    const int period = 600 + static_cast<int>(random.Below(4 * kHour));
    const int kind = static_cast<int>(random.Below(3));
    const auto load = [&](int second) {
      const int phase = second % period;
      if (kind == 0) return second < period ? base : peak;
      if (kind == 1) return base + (peak - base) * phase / period;
      return phase < period / 2 ? base : peak;
    };
    Simulation simulation({model}, seed);
    SimulatedStage& stage = simulation.stage(0);
    const int hours = 12;
    simulation.Run(hours * kHour, load, [&](int) {
      ASSERT_LE(stage.replicas(), model.partitions);
      ASSERT_GE(stage.replicas(), model.settings.min_replicas);
    });
    // At most four of each period of the load, and of the start.
    EXPECT_LE(stage.reversals, 4 + 4 * hours * kHour / period)
        << "seed " << seed << ": " << stage.message;
    simulation.Run(2 * kHour, [&](int) { return peak; });
    EXPECT_LT(stage.Lag(), Drained(peak) + model.rate * 20)
        << "seed " << seed << ": " << stage.message;
    const int reversals = stage.reversals;
    simulation.Run(4 * kHour, [&](int) { return peak; });
    EXPECT_LE(stage.reversals, reversals + 2) << "seed " << seed << ": " << stage.message;
  }
}

}  // namespace
}  // namespace levada::autoscale
