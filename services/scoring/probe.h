#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "levada/v1/pipeline.pb.h"

namespace prometheus {
class Counter;
class Gauge;
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
namespace levada::runtime {
class StageMetrics;
}  // namespace levada::runtime

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

// Events that came too late for a step, in the same counter as those for windows.
class LateProbe {
 public:
  LateProbe(runtime::StageMetrics& metrics, prometheus::Registry& registry,
            const std::map<std::string, std::string>& labels);

  void Late() { ++batch_; }
  void EndBatch();

 private:
  runtime::StageMetrics& metrics_;
  prometheus::Counter& late_;
  uint64_t batch_ = 0;
};

// Events that the detector passed on to other workers.
class ForwardProbe {
 public:
  ForwardProbe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels);

  // Threads: any.
  void Answered();
  void Failed();

 private:
  prometheus::Counter& answered_;
  prometheus::Counter& failed_;
};

// What a stage remembers.
class StateProbe {
 public:
  StateProbe(runtime::StageMetrics& metrics, prometheus::Registry& registry,
             const std::map<std::string, std::string>& labels);

  struct Size {
    size_t keys = 0;
    size_t bytes = 0;
    size_t keys_on_disk = 0;
    size_t bytes_on_disk = 0;
    size_t table_rows = 0;
    size_t table_bytes = 0;
  };
  void Set(const Size& size);
  void Late(uint64_t events);  // for a window that was closed
  // In all: keys that went to disk, those that came back, and times that the disk took nothing.
  void Spilled(uint64_t keys, uint64_t read_back, uint64_t failures);

 private:
  runtime::StageMetrics& metrics_;
  prometheus::Gauge& keys_;
  prometheus::Gauge& bytes_;
  prometheus::Gauge& keys_on_disk_;
  prometheus::Gauge& bytes_on_disk_;
  prometheus::Counter& spilled_;
  prometheus::Counter& read_back_;
  prometheus::Counter& failures_;
  prometheus::Gauge& table_rows_;
  prometheus::Gauge& table_bytes_;
  prometheus::Counter& late_;
};

}  // namespace levada::scoring
