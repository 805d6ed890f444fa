#pragma once

#include "operator/autoscale/decide.h"

// The numbers that a decision is made of: rates from the differences between two observations.
//
//   Measure(settings, observed, &history);   // history.arrivals, rate, handled, slow_downstream
//
// Thread-safety: pure functions.
namespace levada::autoscale {

// Brings `history` up to `observed`, which has its partitions.
void Measure(const Settings& settings, const Observed& observed, History* history);

// Events that wait: without those that a working stage has in hand between two commits.
double Waiting(const Settings& settings, const History& history, size_t partition, int64_t lag);
double Sum(const std::vector<double>& values);
int64_t TotalLag(const std::vector<PartitionLoad>& partitions);

}  // namespace levada::autoscale
