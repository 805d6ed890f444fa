#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "operator/autoscale/decide.h"

// A stage and its topic, second by second, for tests: replicas take time to start, hold the
// partitions as Kafka's range assignor deals them, stand still while they are dealt anew, and
// handle so many events a second. Deterministic for a seed.
//
//   Simulation simulation({{.partitions = 12, .rate = 200}}, seed);
//   simulation.Run(3600s, [](int second) { return second < 600 ? 100.0 : 1000.0; });
//   EXPECT_LE(simulation.stage(0).reversals, 1);
namespace levada::autoscale {

struct StageModel {
  Settings settings;
  int partitions = 12;
  double rate = 200;            // events a second that a replica handles
  int start_seconds = 10;       // from wanted to ready
  int rebalance_seconds = 3;    // nothing is handled
  int replicas = 1;             // at the beginning
  std::vector<double> weights;  // of the partitions; empty: all alike
  int commit_seconds = 1;       // what is handled becomes visible so often
};

class SimulatedStage {
 public:
  explicit SimulatedStage(StageModel made) : model(std::move(made)) {
    model.weights.resize(model.partitions, model.weights.empty() ? 1 : 0);
    ends_.resize(model.partitions);
    done_.resize(model.partitions);
    committed_.resize(model.partitions);
    started_.assign(model.replicas, -1'000'000);
  }

  void Arrive(double events, levada::base::Random* random) {
    double total = 0;
    for (double weight : model.weights) total += weight;
    for (int i = 0; i < model.partitions; ++i) {
      const double noise = 0.8 + 0.4 * random->Unit();
      ends_[i] += events * model.weights[i] / total * noise;
    }
  }

  // One second; the events that were handled.
  double Work(int second) {
    const int ready = Ready(second);
    if (ready != ready_before_) standing_until_ = second + model.rebalance_seconds;
    ready_before_ = ready;
    double handled = 0;
    if (ready > 0 && second >= standing_until_) {
      for (int replica = 0; replica < ready; ++replica) handled += WorkOf(replica, ready);
    }
    if (second % model.commit_seconds == 0) committed_ = done_;
    most_lag = std::max(most_lag, Lag());
    replica_seconds += static_cast<double>(started_.size());
    return handled;
  }

  Observed Observe(int second) const {
    Observed observed;
    observed.now = Time(Seconds(1'700'000'000 + second));
    observed.replicas = static_cast<int>(started_.size());
    observed.ready = Ready(second);
    observed.partitions.emplace();
    for (int i = 0; i < model.partitions; ++i) {
      const auto end = static_cast<int64_t>(ends_[i]);
      observed.partitions->push_back({end, end - static_cast<int64_t>(committed_[i])});
    }
    return observed;
  }

  void Scale(int second, Decision decision) {
    history = std::move(decision.history);
    message = decision.message;
    const int now = static_cast<int>(started_.size());
    if (decision.replicas == now) return;
    const int direction = decision.replicas > now ? 1 : -1;
    if (direction_ != 0 && direction != direction_) ++reversals;
    direction_ = direction;
    ++changes;
    most_replicas = std::max(most_replicas, decision.replicas);
    started_.resize(decision.replicas, second + model.start_seconds);
  }

  int Ready(int second) const {
    return static_cast<int>(
        std::count_if(started_.begin(), started_.end(), [&](int at) { return at <= second; }));
  }

  double Lag() const {
    double lag = 0;
    for (int i = 0; i < model.partitions; ++i) lag += ends_[i] - done_[i];
    return lag;
  }

  int replicas() const { return static_cast<int>(started_.size()); }
  Downstream AsDownstream(const std::string& name) const {
    Downstream downstream{name};
    for (int i = 0; i < model.partitions; ++i) {
      downstream.end += static_cast<int64_t>(ends_[i]);
      downstream.lag += static_cast<int64_t>(ends_[i]) - static_cast<int64_t>(committed_[i]);
    }
    return downstream;
  }

  StageModel model;
  History history;
  std::string message;
  int reversals = 0;
  int changes = 0;
  int most_replicas = 0;
  double most_lag = 0;
  double replica_seconds = 0;

 private:
  // A replica gives its partitions equal shares; what one does not need goes to the others.
  double WorkOf(int replica, int ready) {
    std::vector<int> mine;
    for (int i = 0; i < model.partitions; ++i) {
      if (OwnerOf(i, ready) == replica) mine.push_back(i);
    }
    std::sort(mine.begin(), mine.end(),
              [&](int a, int b) { return ends_[a] - done_[a] < ends_[b] - done_[b]; });
    double left = model.rate;
    for (size_t i = 0; i < mine.size(); ++i) {
      const double share = left / static_cast<double>(mine.size() - i);
      const double taken = std::min(share, ends_[mine[i]] - done_[mine[i]]);
      done_[mine[i]] += taken;
      left -= taken;
    }
    return model.rate - left;
  }

  // Kafka's range assignor: neighbours together, the first ones get one more.
  int OwnerOf(int partition, int ready) const {
    const int each = model.partitions / ready;
    const int more = model.partitions % ready;
    const int split = more * (each + 1);
    return partition < split ? partition / (each + 1)
                             : more + (partition - split) / std::max(1, each);
  }

  std::vector<double> ends_;
  std::vector<double> done_;
  std::vector<double> committed_;
  std::vector<int> started_;  // a replica an entry: when it is ready
  int ready_before_ = 0;
  int standing_until_ = 0;
  int direction_ = 0;
};

// A chain: what a stage handles arrives at the next one.
class Simulation {
 public:
  Simulation(std::vector<StageModel> models, uint64_t seed) : random_(seed) {
    for (StageModel& model : models) stages_.emplace_back(std::move(model));
  }

  void Run(
      int seconds, const std::function<double(int second)>& arrivals,
      const std::function<void(int second)>& each = [](int) {}) {
    for (const int until = second_ + seconds; second_ < until; ++second_) {
      double events = arrivals(second_);
      for (SimulatedStage& stage : stages_) {
        stage.Arrive(events, &random_);
        events = stage.Work(second_);
      }
      for (size_t i = 0; second_ % kEvery == 0 && i < stages_.size(); ++i) {
        Observed observed = stages_[i].Observe(second_);
        if (i + 1 < stages_.size()) observed.downstream = {stages_[i + 1].AsDownstream("next")};
        stages_[i].Scale(second_, Decide(stages_[i].model.settings, observed, stages_[i].history));
      }
      each(second_);
    }
  }

  SimulatedStage& stage(size_t i) { return stages_[i]; }
  int second() const { return second_; }

 private:
  static constexpr int kEvery = 10;  // seconds between decisions

  base::Random random_;
  std::vector<SimulatedStage> stages_;
  int second_ = 0;
};

}  // namespace levada::autoscale
