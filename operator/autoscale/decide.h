#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "levada/v1/pipeline.pb.h"

// How many replicas a stage should have, from the lag of its consumer group and how it moves.
//
//   History history;
//   while (...) {                                          // every few seconds
//     Decision decision = Decide(settings, observed, history);
//     if (decision.replicas != observed.replicas) SetReplicas(decision.replicas);
//     Say(decision.desired, decision.message);             // status.stages[].autoscaling
//     history = std::move(decision.history);
//   }
//
// The formula, with T the target drain time and r the events a second that one replica handles:
//
//   work      = Σ over partitions of min(1, (lag + arrivals a second × T) / (T × r))
//   each      = floor(active partitions / work)      partitions that one replica can carry
//   replicas  = ceil(active partitions / each)
//
// What waits is to be done within T, beside what arrives meanwhile. A partition keeps at most one
// replica busy, and one that is empty none, so that neither asks for replicas that would stand
// idle. Partitions are dealt whole: of twelve, seven replicas get one or two each and are no faster
// than six. r is measured where there is more work than is done, as in DS2 (Kalavri et al., "Three
// steps is all you need", OSDI 2018): the true rate, not that of a stage that waits for events.
//
// Between what is wanted and what is done stand:
//   bounds       min, max, the partitions; to zero after a quiet cool-down, from zero at once
//   hysteresis   growth beyond 5 %; away only what leaves the others busy to 80 % at most, and only
//                what was not wanted at any time within the cool-down (HPA's stabilization window)
//   steps        at most twice as many, or four more; at most half of them away
//   holds        nothing known, a rollout, replicas that are still starting, a stage that handles
//                nothing (more of them would not help), a next stage whose own lag grows
//   probing      a rate that was only seen below saturation is a lower bound: one replica less is
//                tried, and the answer is measured
//   learning     where partitions fall together on one replica, lag grows although there are
//   enough:
//                one more is tried, and kept as long as that much arrives
//
// Thread-safety: pure functions; time is an argument.
namespace levada::autoscale {

using Seconds = std::chrono::seconds;
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

struct Settings {
  int min_replicas = 1;
  int max_replicas = 0;  // 0: as many as there are partitions
  Seconds target_drain_time{60};
  Seconds scale_up_cooldown{30};
  Seconds scale_down_cooldown{300};
  // Time between two commits of the stage (archiving: `roll.every`; notify: a group's `wait`). What
  // arrives within it is in hand, not waiting.
  Seconds commit_interval{1};
  // From a replica's readiness until it has its partitions and its full rate.
  Seconds warm_up{20};
};

// Of a stage of a manifest with its defaults applied.
Settings SettingsFrom(const v1::Stage& stage);

struct PartitionLoad {
  int64_t end = 0;  // offset behind the newest event
  int64_t lag = 0;  // events that wait
};

// A stage that reads what this one writes; sums over its partitions.
struct Downstream {
  std::string stage;
  int64_t end = 0;
  int64_t lag = 0;
};

struct Observed {
  Time now;
  int replicas = 0;  // that the Deployment is to have
  int ready = 0;
  bool rolling_out = false;
  std::optional<std::vector<PartitionLoad>> partitions;  // of the topic that it reads
  std::string unknown_because;                           // why there are no `partitions`
  std::vector<Downstream> downstream;                    // those that are known
};

// What was seen and done before; made and changed by Decide only. A new one (operator restarted)
// costs a cool-down before replicas are taken away, and a new measurement.
struct History {
  struct Sample {
    Time at;
    std::vector<PartitionLoad> partitions;
  };
  struct DownstreamSample {
    Time at;
    std::vector<Downstream> stages;
  };
  struct Wanted {
    Time at;
    int replicas = 0;
  };

  std::optional<Time> since;        // the first observation
  std::optional<Time> last_change;  // of the replicas; may be given from the status
  std::optional<Time> ready_change;
  std::optional<Time> busy_at;   // when something waited or arrived last
  std::optional<Time> moved_at;  // when something was handled last
  int replicas = -1;
  int ready = -1;

  std::optional<Sample> last;      // for arrivals
  std::optional<Sample> baseline;  // for the rate: since the stage is as it is
  std::vector<double> arrivals;    // events a second, a partition an entry, smoothed
  std::optional<double> rate;      // events a second of one replica
  bool rate_is_exact = false;      // measured with more work than was done
  double handled = 0;              // events a second, in the newest window
  std::vector<double> handled_of;  // the same, a partition an entry
  double lag_growth = 0;           // events a second, in the newest window
  std::optional<DownstreamSample> downstream;
  std::vector<std::string> slow_downstream;  // stages whose lag grows

  std::deque<Wanted> wanted;  // falling: each is more than all later ones
  double peak = 0;            // arrivals a second, the most of the last few cool-downs
  std::optional<Time> peak_seen;
  int shrunk_from = 0;    // replicas before the last ones were taken away ...
  double shrunk_at = 0;   // ... and the peak then
  int learned_least = 0;  // replicas below which lag grew ...
  double learned_at = 0;  // ... and the peak then
};

struct Decision {
  int replicas = 0;     // to have from now on
  int desired = 0;      // without cool-downs and steps
  std::string message;  // why, with the numbers
  History history;      // for the next call
};

Decision Decide(const Settings& settings, const Observed& observed, const History& history);

// "2.5" or "1234": enough digits of a rate for people.
std::string FormatRate(double per_second);

}  // namespace levada::autoscale
