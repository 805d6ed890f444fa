#include "operator/autoscale/measure.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace levada::autoscale {
namespace {

using Partitions = std::vector<PartitionLoad>;

constexpr double kArrivalsSmoothedOver = 15;  // seconds
constexpr double kRateSmoothedOver = 30;
constexpr double kLeastWindow = 10;  // of the rate: several commits of a busy stage

double SecondsBetween(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}

double Towards(double from, double to, double seconds, double smoothed_over) {
  return from + (to - from) * (1 - std::exp(-seconds / smoothed_over));
}

int64_t Done(const PartitionLoad& load) { return load.end - load.lag; }

// Else the topic was created again, or its partitions were grown: differences mean nothing.
bool Comparable(const Partitions& before, const Partitions& now) {
  if (before.size() != now.size()) return false;
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i].end < before[i].end) return false;
  }
  return true;
}

void MeasureArrivals(const Observed& observed, History* history) {
  const Partitions& now = *observed.partitions;
  const Partitions& before = history->last->partitions;
  const double seconds = SecondsBetween(history->last->at, observed.now);
  const bool first = history->arrivals.size() != now.size();
  if (first) history->arrivals.assign(now.size(), 0);
  for (size_t i = 0; i < now.size(); ++i) {
    const double rate = static_cast<double>(now[i].end - before[i].end) / seconds;
    double& smoothed = history->arrivals[i];
    smoothed = first ? rate : Towards(smoothed, rate, seconds, kArrivalsSmoothedOver);
    if (rate == 0 && smoothed < 0.01) smoothed = 0;
  }
}

// Slow: it handles events, but fewer than come, and more than a few seconds' worth wait. A stage
// that handles nothing at all is not slow but down: Kafka keeps its events, the others go on.
void MeasureDownstream(const Observed& observed, History* history) {
  if (!history->downstream || history->downstream->at >= observed.now) {
    history->downstream = {observed.now, observed.downstream};
    return;
  }
  const double seconds = SecondsBetween(history->downstream->at, observed.now);
  if (seconds < kLeastWindow) return;
  history->slow_downstream.clear();
  for (const Downstream& now : observed.downstream) {
    for (const Downstream& before : history->downstream->stages) {
      if (before.stage != now.stage || now.end < before.end) continue;
      const double arrived = static_cast<double>(now.end - before.end) / seconds;
      const double growth = static_cast<double>(now.lag - before.lag) / seconds;
      const bool works = growth < arrived;
      if (works && growth > 0.05 * arrived && static_cast<double>(now.lag) > 10 * arrived) {
        history->slow_downstream.push_back(now.stage);
      }
    }
  }
  history->downstream = {observed.now, observed.downstream};
}

// handled / ready and what one partition gives are both lower bounds of what a replica can do, and
// exact where every replica certainly had more events than it could do.
void MeasureRate(const Settings& settings, const Observed& observed, double seconds,
                 History* history) {
  const Partitions& now = *observed.partitions;
  const Partitions& before = history->baseline->partitions;
  double handled = 0;
  double busiest = 0;
  int active = 0;
  bool saturated = true;
  history->handled_of.clear();
  for (size_t i = 0; i < now.size(); ++i) {
    const double rate =
        static_cast<double>(std::max<int64_t>(0, Done(now[i]) - Done(before[i]))) / seconds;
    handled += rate;
    history->handled_of.push_back(rate);
    busiest = std::max(busiest, rate);
    if (now[i].lag == 0 && now[i].end == before[i].end) continue;
    ++active;
    const bool more = Waiting(settings, *history, i, before[i].lag) > 0 &&
                      Waiting(settings, *history, i, now[i].lag) > rate;
    saturated = saturated && more;
  }
  history->handled = handled;
  history->lag_growth = static_cast<double>(TotalLag(now) - TotalLag(before)) / seconds;
  if (handled <= 0 || observed.ready <= 0) return;
  const double sample = std::max(handled / observed.ready, busiest);
  if (saturated && (active == static_cast<int>(now.size()) || observed.ready == 1)) {
    const bool smooth = history->rate && history->rate_is_exact;
    history->rate = smooth ? Towards(*history->rate, sample, seconds, kRateSmoothedOver) : sample;
    history->rate_is_exact = true;
  } else {
    history->rate = std::max(history->rate.value_or(0), sample);
  }
}

}  // namespace

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

int64_t TotalLag(const Partitions& partitions) {
  int64_t lag = 0;
  for (const PartitionLoad& load : partitions) lag += load.lag;
  return lag;
}

double Waiting(const Settings& settings, const History& history, size_t partition, int64_t lag) {
  const double arrivals = partition < history.arrivals.size() ? history.arrivals[partition] : 0;
  const double in_hand = arrivals * static_cast<double>(settings.commit_interval.count());
  return std::max(0.0, static_cast<double>(lag) - in_hand);
}

void Measure(const Settings& settings, const Observed& observed, History* history) {
  const History::Sample sample{observed.now, *observed.partitions};
  const auto restart = [&](std::optional<History::Sample>* from) {
    const bool stale = !*from || (*from)->at >= observed.now ||
                       !Comparable((*from)->partitions, *observed.partitions);
    if (stale) *from = sample;
    return stale;
  };
  if (!restart(&history->last) && SecondsBetween(history->last->at, observed.now) >= 1) {
    MeasureArrivals(observed, history);
    if (TotalLag(sample.partitions) > 0 || Sum(history->arrivals) > 0) history->busy_at = sample.at;
    for (size_t i = 0; i < sample.partitions.size(); ++i) {
      if (Done(sample.partitions[i]) > Done(history->last->partitions[i])) {
        history->moved_at = sample.at;
      }
    }
    history->last = sample;
  }
  MeasureDownstream(observed, history);
  // A replica that is starting, or has just got its partitions, has no rate yet.
  const bool settled = observed.ready == observed.replicas && history->ready_change &&
                       observed.now - *history->ready_change >= settings.warm_up;
  if (!settled) {
    history->baseline.reset();
    history->handled_of.clear();
    history->lag_growth = 0;
    return;
  }
  if (restart(&history->baseline)) return;
  const double seconds = SecondsBetween(history->baseline->at, observed.now);
  const double commits = 3.0 * static_cast<double>(settings.commit_interval.count());
  if (seconds < std::max(kLeastWindow, commits)) return;
  MeasureRate(settings, observed, seconds, history);
  history->baseline = sample;
}

}  // namespace levada::autoscale
