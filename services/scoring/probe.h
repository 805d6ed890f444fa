#pragma once

#include <map>
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
//
// Threads: any.
namespace levada::scoring {

class RulesProbe {
 public:
  RulesProbe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels,
             const v1::Rules& rules);

  void Decided(size_t rule);
  void Undecided();  // no rule holds

 private:
  std::vector<prometheus::Counter*> decided_;  // by rule, and one more for none
};

class ModelProbe {
 public:
  // `as`: the field that takes the score.
  ModelProbe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels,
             const std::string& as);

  void Predicted(double prediction);  // before it is scaled

 private:
  prometheus::Histogram& predictions_;
};

}  // namespace levada::scoring
