#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "levada/v1/pipeline.pb.h"

namespace prometheus {
class Counter;
class Histogram;
class Registry;
}  // namespace prometheus

// What steps count beside what every stage counts (docs/metrics.md): what rules decided and what
// models predicted. An event that is processed again after a failure counts again.
//
//   RulesProbe probe(context.registry, context.Labels(), config);
//   probe.Decided(2);   // by the third rule
//   probe.EndBatch();
//
// What is shared with those who read metrics is touched once a batch.
//
// Threads: one at a time for each probe.
namespace levada::scoring {

class RulesProbe {
 public:
  RulesProbe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels,
             const v1::Rules& rules);

  void Decided(size_t rule) { ++batch_[rule]; }
  void Undecided() { ++batch_.back(); }  // no rule holds
  void EndBatch();

 private:
  // By rule, and one more for none.
  std::vector<prometheus::Counter*> decided_;
  std::vector<uint64_t> batch_;
};

class ModelProbe {
 public:
  // `as`: the field that takes the score.
  ModelProbe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels,
             const std::string& as);

  void Predicted(std::span<const float> predictions);  // before they are scaled

 private:
  prometheus::Histogram& predictions_;
};

}  // namespace levada::scoring
