#include "operator/autoscale/decide.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "operator/autoscale/measure.h"

namespace levada::autoscale {
namespace {

constexpr double kTolerance = 0.05;     // beyond the replicas' capacity before one is added
constexpr double kBusyAfterDown = 0.8;  // share of their time that those left are busy
constexpr Seconds kWaitForStart{300};   // for replicas that were asked for
constexpr Seconds kStuckAfter{60};      // without a single event handled
constexpr double kLearnedWhile = 0.8;   // of the arrivals at which it was learned
constexpr double kSameLoad = 1.25;      // times the arrivals at which replicas were taken away
constexpr double kAlone = 0.8;          // of a replica's rate: a partition that has it for itself
constexpr double kSecondsOfLag = 5;     // that a stage has which keeps up

std::string Count(int64_t count, std::string_view one, std::string_view many) {
  return base::StrCat(count, " ", count == 1 ? one : many);
}

std::string Replicas(int64_t count) { return Count(count, "replica", "replicas"); }

std::string Duration(Seconds seconds) { return base::FormatDuration(seconds); }

Seconds Since(Time then, Time now) { return std::chrono::duration_cast<Seconds>(now - then); }

// One decision, from top to bottom.
class Decider {
 public:
  Decider(const Settings& settings, const Observed& observed, const History& history)
      : settings_(settings), observed_(observed), now_(observed.now) {
    decision_.history = history;
    SetBounds();
  }

  Decision Run() {
    NoteChanges();
    const int current = observed_.replicas;
    const int clamped = std::clamp(current, least_, most_);
    if (!observed_.partitions) {
      return Keep(
          clamped,
          base::StrCat("the lag is not known", observed_.unknown_because.empty() ? "" : " (",
                       observed_.unknown_because, observed_.unknown_because.empty() ? "" : ")"));
    }
    Measure(settings_, observed_, &history());
    NotePeak();
    if (observed_.rolling_out) return Keep(clamped, "a rollout is under way");
    if (clamped != current) {
      return Set(clamped, clamped,
                 base::StrCat(Replicas(clamped), clamped > current ? " at least" : " at most: ",
                              clamped > current ? "" : most_because_));
    }
    if (current == 0) return Wake();
    if (GoesToSleep()) {
      return Set(0, 0,
                 base::StrCat("nothing waits and nothing has arrived for ",
                              Duration(settings_.scale_down_cooldown)));
    }
    if (!history().rate) return Unmeasured();
    return Scale();
  }

 private:
  History& history() { return decision_.history; }
  const History& history() const { return decision_.history; }

  void SetBounds() {
    most_ = settings_.max_replicas > 0 ? settings_.max_replicas : INT32_MAX;
    most_because_ = base::StrCat("`maxReplicas` is ", settings_.max_replicas);
    if (observed_.partitions && !observed_.partitions->empty() &&
        static_cast<int64_t>(observed_.partitions->size()) < most_) {
      most_ = static_cast<int>(observed_.partitions->size());
      most_because_ = base::StrCat("the topic has ", Count(most_, "partition", "partitions"));
    }
    least_ = std::min(settings_.min_replicas, most_);
  }

  void NoteChanges() {
    History& past = history();
    if (!past.since) {
      past.since = now_;
      past.busy_at = now_;
      past.moved_at = now_;
      // How long they have been ready is not known: their rate may be taken.
      past.ready_change = now_ - settings_.warm_up;
      past.replicas = observed_.replicas;
      past.ready = observed_.ready;
    }
    if (past.replicas != observed_.replicas) past.last_change = now_;
    if (past.ready != observed_.ready) {
      past.ready_change = now_;
      past.moved_at = now_;
    }
    past.replicas = observed_.replicas;
    past.ready = observed_.ready;
  }

  // The most that arrived lately: it is forgotten over a few cool-downs.
  void NotePeak() {
    History& past = history();
    const double cooldowns =
        past.peak_seen
            ? static_cast<double>(Since(*past.peak_seen, now_).count()) /
                  std::max(1.0, 4.0 * static_cast<double>(settings_.scale_down_cooldown.count()))
            : 0;
    past.peak = std::max(Sum(past.arrivals), past.peak * std::exp(-std::max(0.0, cooldowns)));
    past.peak_seen = now_;
  }

  Decision Set(int replicas, int desired, std::string message) {
    decision_.replicas = replicas;
    decision_.desired = desired;
    decision_.message = std::move(message);
    if (replicas != observed_.replicas) {
      history().last_change = now_;
      history().replicas = replicas;
      history().baseline.reset();
      history().moved_at = now_;
    }
    return std::move(decision_);
  }

  Decision Keep(int replicas, std::string_view because) {
    const bool bounded = replicas != observed_.replicas;
    return Set(
        replicas, replicas,
        base::StrCat(because, ": ", bounded ? "bounded to " : "kept at ", Replicas(replicas)));
  }

  // What the message begins with: "1200 events wait, 80 a second arrive".
  std::string Load() const {
    return base::StrCat(Count(TotalLag(*observed_.partitions), "event waits", "events wait"), ", ",
                        FormatRate(Sum(history().arrivals)), " a second arrive");
  }

  // The formula of the header, for replicas that may be busy for this share of their time.
  int Needed(double busy) const {
    if (!history().rate) return std::max(1, least_);
    const double drain =
        static_cast<double>(std::max<int64_t>(1, settings_.target_drain_time.count()));
    double work = 0;
    int active = 0;
    for (size_t i = 0; i < observed_.partitions->size(); ++i) {
      const double arrivals = i < history().arrivals.size() ? history().arrivals[i] : 0;
      const double pending =
          Waiting(settings_, history(), i, (*observed_.partitions)[i].lag) + arrivals * drain;
      work += std::min(1.0, pending / (drain * *history().rate));
      if (pending > 0) ++active;
    }
    const int each = std::clamp(static_cast<int>(work > 0 ? active * busy / work : active), 1,
                                std::max(1, active));
    return std::clamp((active + each - 1) / each, std::max(1, least_), std::max(1, most_));
  }

  // The next count at which the fullest replica has fewer partitions.
  int NextCount() const {
    const int partitions = static_cast<int>(observed_.partitions->size());
    const int fullest = (partitions + observed_.replicas - 1) / observed_.replicas;
    if (fullest <= 1) return most_;
    return std::min(most_, (partitions + fullest - 2) / (fullest - 1));
  }

  Decision Wake() {
    if (TotalLag(*observed_.partitions) == 0) return Keep(0, "nothing waits");
    const int desired = Needed(1);
    const int replicas = StepUp(desired);
    return Set(replicas, desired,
               base::StrCat(Load(), ", none runs: started with ", Replicas(replicas)));
  }

  bool GoesToSleep() const {
    if (settings_.min_replicas > 0) return false;
    if (TotalLag(*observed_.partitions) > 0 || Sum(history().arrivals) > 0) return false;
    return now_ - *history().busy_at >= settings_.scale_down_cooldown &&
           CoolingFor(settings_.scale_down_cooldown) == Seconds(0);
  }

  Decision Unmeasured() {
    if (Stuck()) return KeepStuck();
    return Keep(observed_.replicas,
                base::StrCat(Load(), "; what a replica handles is not measured yet"));
  }

  bool Stuck() const {
    const auto limit = std::max(kStuckAfter, 3 * settings_.commit_interval);
    return TotalLag(*observed_.partitions) > 0 && now_ - *history().moved_at >= limit;
  }

  Decision KeepStuck() {
    return Keep(observed_.replicas,
                base::StrCat(Load(), ", and none was handled for ",
                             Duration(Since(*history().moved_at, now_)),
                             "; more replicas would not help, see the stage's last error"));
  }

  // Time that is left of a cool-down.
  Seconds CoolingFor(Seconds cooldown) const {
    if (!history().last_change) return Seconds(0);
    return std::max(Seconds(0), cooldown - Since(*history().last_change, now_));
  }

  int StepUp(int desired) const {
    const int current = observed_.replicas;
    return std::min(desired, std::max(2 * current, current + 4));
  }

  // Partitions with much work may lie together on one replica while others stand idle, and a rate
  // may be taken for too high: what is enough by the formula is not enough then.
  void Learn(int needed) {
    History& past = history();
    if (past.learned_least > 0 && past.peak < kLearnedWhile * past.learned_at) {
      past.learned_least = 0;
    }
    const bool settled = CoolingFor(settings_.scale_up_cooldown) == Seconds(0) &&
                         observed_.ready == observed_.replicas && past.baseline;
    const double behind =
        past.handled * static_cast<double>(settings_.target_drain_time.count()) / 2;
    if (needed > observed_.replicas || !settled || past.lag_growth <= 0 || WaitingNow() < behind ||
        !SharesItsReplica()) {
      return;
    }
    past.learned_least = NextCount();
    past.learned_at = past.peak;
  }

  // A partition has a good part of what waits, and gets less than a whole replica.
  bool SharesItsReplica() const {
    const History& past = history();
    const double part = static_cast<double>(TotalLag(*observed_.partitions)) * 0.1;
    for (size_t i = 0; i < past.handled_of.size() && i < observed_.partitions->size(); ++i) {
      const bool lags = static_cast<double>((*observed_.partitions)[i].lag) > part;
      if (lags && past.handled_of[i] < kAlone * *past.rate) return true;
    }
    return false;
  }

  // Fewer were tried for about this load, and were too few.
  void LearnFromShrink() {
    History& past = history();
    if (past.shrunk_from <= observed_.replicas || past.peak > kSameLoad * past.shrunk_at) return;
    past.learned_least = std::min(most_, past.shrunk_from);
    past.learned_at = past.peak;
  }

  Decision Scale() {
    const int current = observed_.replicas;
    const bool behind = !Drained();
    const int needed = Needed(1 + kTolerance);
    if (behind) Learn(needed);
    if (behind && needed > current) LearnFromShrink();
    const int learned = std::min(history().learned_least, most_);
    const int up = std::max(behind ? needed : 0, learned);
    // A rate that is only a lower bound says nothing about fewer replicas: try one less.
    const bool probe = !behind && !history().rate_is_exact;
    const int down =
        std::max({probe ? std::min(current - 1, Needed(kBusyAfterDown)) : Needed(kBusyAfterDown),
                  learned, least_, 1});
    const int desired = up > current ? up : std::min(down, current);
    Remember(desired);
    std::string why =
        base::StrCat(Load(), ", a replica handles ", history().rate_is_exact ? "" : "at least ",
                     FormatRate(*history().rate), " a second: ", Replicas(desired));
    if (desired == learned && needed < learned) {
      why += " (with fewer the lag grew: their partitions are loaded unevenly)";
    } else if (desired == most_) {
      base::StrAppend(&why, ", the most: ", most_because_);
    }
    if (desired > current) return Grow(desired, why);
    if (desired < current) return Shrink(desired, why);
    return Set(current, desired, why);
  }

  double WaitingNow() const {
    double waiting = 0;
    for (size_t i = 0; i < observed_.partitions->size(); ++i) {
      waiting += Waiting(settings_, history(), i, (*observed_.partitions)[i].lag);
    }
    return waiting;
  }

  // What waits is a matter of seconds.
  bool Drained() const { return WaitingNow() <= kSecondsOfLag * history().handled; }

  Decision Grow(int desired, const std::string& why) {
    const int current = observed_.replicas;
    const auto held = [&](std::string_view because) {
      return Set(current, desired, base::StrCat(why, "; kept at ", current, ": ", because));
    };
    if (Stuck()) return KeepStuck();
    const bool starting = observed_.ready < current && history().last_change &&
                          now_ - *history().last_change < kWaitForStart;
    if (starting) {
      return held(base::StrCat(observed_.ready, " of ", Replicas(current),
                               current == 1 ? " is ready" : " are ready"));
    }
    if (const Seconds left = CoolingFor(settings_.scale_up_cooldown); left > Seconds(0)) {
      return held(base::StrCat("replicas were changed less than ",
                               Duration(settings_.scale_up_cooldown), " ago"));
    }
    if (!history().slow_downstream.empty()) {
      return held(base::StrCat("the lag of ", absl::StrJoin(history().slow_downstream, ", "),
                               ", which reads what this stage writes, grows"));
    }
    const int step = StepUp(desired);
    return Set(step, desired,
               step == desired ? why : base::StrCat(why, "; ", step, " as the first step"));
  }

  // A falling list: its front is the most that was wanted within the cool-down.
  void Remember(int desired) {
    auto& wanted = history().wanted;
    while (!wanted.empty() && now_ - wanted.front().at > settings_.scale_down_cooldown) {
      wanted.pop_front();
    }
    while (!wanted.empty() && wanted.back().replicas <= desired) wanted.pop_back();
    wanted.push_back({now_, desired});
  }

  Decision Shrink(int desired, const std::string& why) {
    const int current = observed_.replicas;
    const auto held = [&](std::string_view because) {
      return Set(current, desired, base::StrCat(why, "; kept at ", current, ": ", because));
    };
    const Seconds cooldown = settings_.scale_down_cooldown;
    if (now_ - *history().since < cooldown || CoolingFor(cooldown) > Seconds(0)) {
      return held(base::StrCat("replicas were changed, or watched first, less than ",
                               Duration(cooldown), " ago"));
    }
    const int most_wanted = history().wanted.front().replicas;
    if (most_wanted >= current) {
      return held(base::StrCat(most_wanted, " were wanted within the last ", Duration(cooldown)));
    }
    const int step = std::max(most_wanted, current - std::max(1, current / 2));
    history().shrunk_from = current;
    history().shrunk_at = history().peak;
    return Set(step, desired,
               step == desired ? why : base::StrCat(why, "; ", step, " as the first step"));
  }

  const Settings& settings_;
  const Observed& observed_;
  const Time now_;
  int least_ = 0;
  int most_ = 0;
  std::string most_because_;
  Decision decision_;
};

}  // namespace

Settings SettingsFrom(const v1::Stage& stage) {
  const v1::Autoscaling& autoscaling = stage.autoscaling();
  Settings settings;
  const auto set = [](const std::string& text, Seconds* value) {
    const auto parsed = base::ParseDuration(text);
    if (parsed.ok()) *value = std::chrono::ceil<Seconds>(*parsed);
  };
  if (autoscaling.has_min_replicas()) {
    settings.min_replicas = static_cast<int>(autoscaling.min_replicas());
  }
  settings.max_replicas = static_cast<int>(autoscaling.max_replicas());
  set(autoscaling.target_drain_time(), &settings.target_drain_time);
  set(autoscaling.scale_up_cooldown(), &settings.scale_up_cooldown);
  set(autoscaling.scale_down_cooldown(), &settings.scale_down_cooldown);
  set(stage.archiving().roll().every(), &settings.commit_interval);
  set(stage.notify().group().wait(), &settings.commit_interval);
  return settings;
}

Decision Decide(const Settings& settings, const Observed& observed, const History& history) {
  return Decider(settings, observed, history).Run();
}

std::string FormatRate(double per_second) {
  return per_second < 9.95 && per_second != std::floor(per_second)
             ? absl::StrFormat("%.1f", per_second)
             : absl::StrFormat("%.0f", per_second);
}

}  // namespace levada::autoscale
