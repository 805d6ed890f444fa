#include "services/scoring/probe.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <utility>

#include "core/runtime/metrics.h"

namespace levada::scoring {
namespace {

// Denser at the ends, where probabilities are and decisions are made.
const prometheus::Histogram::BucketBoundaries kPredictions = {0.01, 0.05, 0.1, 0.2, 0.3,  0.4,  0.5,
                                                              0.6,  0.7,  0.8, 0.9, 0.95, 0.99, 1};

}  // namespace

RulesProbe::RulesProbe(prometheus::Registry& registry,
                       const std::map<std::string, std::string>& labels, const v1::Rules& rules) {
  auto& family = prometheus::BuildCounter()
                     .Name("levada_scoring_decisions_total")
                     .Help("Events by the rule that decided and its outcome")
                     .Labels(labels)
                     .Register(registry);
  const auto add = [&](const std::string& rule, const std::string& outcome) {
    decided_.push_back(&family.Add({{"as", rules.as()}, {"rule", rule}, {"outcome", outcome}}));
  };
  for (const v1::Rule& rule : rules.rules()) add(rule.name(), rule.outcome());
  add("none", "none");
  batch_.resize(decided_.size());
}

void RulesProbe::EndBatch() {
  for (size_t rule = 0; rule < batch_.size(); ++rule) {
    if (batch_[rule] == 0) continue;
    decided_[rule]->Increment(static_cast<double>(batch_[rule]));
    batch_[rule] = 0;
  }
}

ModelProbe::ModelProbe(prometheus::Registry& registry,
                       const std::map<std::string, std::string>& labels, const std::string& as)
    : predictions_(prometheus::BuildHistogram()
                       .Name("levada_scoring_prediction")
                       .Help("Predictions of a model, before they are scaled")
                       .Labels(labels)
                       .Register(registry)
                       .Add({{"as", as}}, kPredictions)) {}

void ModelProbe::Predicted(std::span<const float> predictions) {
  std::vector<double> counts(kPredictions.size() + 1);
  double sum = 0;
  for (const float prediction : predictions) {
    size_t bucket = 0;
    for (const double limit : kPredictions) bucket += prediction > limit ? 1 : 0;
    ++counts[bucket];
    sum += prediction;
  }
  predictions_.ObserveMultiple(counts, sum);
}

namespace {

// One counter a stage: the same one each time.
prometheus::Counter& LateCounter(prometheus::Registry& registry,
                                 const std::map<std::string, std::string>& labels) {
  return prometheus::BuildCounter()
      .Name("levada_scoring_late_total")
      .Help("Events that came too late to count in a window or a feature")
      .Labels(labels)
      .Register(registry)
      .Add({});
}

prometheus::Counter& ForwardCounter(prometheus::Registry& registry,
                                    const std::map<std::string, std::string>& labels,
                                    const std::string& result) {
  return prometheus::BuildCounter()
      .Name("levada_scoring_forwarded_total")
      .Help("Events that the detector passed on to the worker that has their key")
      .Labels(labels)
      .Register(registry)
      .Add({{"result", result}});
}

prometheus::Counter& AddCounter(prometheus::Registry& registry,
                                const std::map<std::string, std::string>& labels, const char* name,
                                const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry).Add({});
}

prometheus::Gauge& AddGauge(prometheus::Registry& registry,
                            const std::map<std::string, std::string>& labels,
                            const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Labels(labels).Register(registry).Add({});
}

}  // namespace

LateProbe::LateProbe(runtime::StageMetrics& metrics, prometheus::Registry& registry,
                     const std::map<std::string, std::string>& labels)
    : metrics_(metrics), late_(LateCounter(registry, labels)) {}

void LateProbe::EndBatch() {
  if (batch_ == 0) return;
  metrics_.Late(batch_);
  late_.Increment(static_cast<double>(std::exchange(batch_, 0)));
}

ForwardProbe::ForwardProbe(prometheus::Registry& registry,
                           const std::map<std::string, std::string>& labels)
    : answered_(ForwardCounter(registry, labels, "answered")),
      failed_(ForwardCounter(registry, labels, "failed")) {}

void ForwardProbe::Answered() { answered_.Increment(); }
void ForwardProbe::Failed() { failed_.Increment(); }

StateProbe::StateProbe(runtime::StageMetrics& metrics, prometheus::Registry& registry,
                       const std::map<std::string, std::string>& labels)
    : metrics_(metrics),
      keys_(AddGauge(registry, labels, "levada_scoring_state_keys",
                     "Keys whose state this worker holds")),
      bytes_(AddGauge(registry, labels, "levada_scoring_state_bytes",
                      "Memory of the state that this worker holds")),
      keys_on_disk_(AddGauge(registry, labels, "levada_scoring_state_spilled_keys",
                             "Keys of these whose state is on disk, beyond the bound of memory")),
      bytes_on_disk_(AddGauge(registry, labels, "levada_scoring_state_spilled_bytes",
                              "Bytes of keys and state on disk")),
      spilled_(AddCounter(registry, labels, "levada_scoring_state_spills_total",
                          "Keys whose state went to disk")),
      read_back_(AddCounter(registry, labels, "levada_scoring_state_reads_total",
                            "Keys whose state came back from disk")),
      failures_(AddCounter(registry, labels, "levada_scoring_state_spill_failures_total",
                           "Times that the disk took no state, which stayed in memory")),
      table_rows_(AddGauge(registry, labels, "levada_scoring_table_rows",
                           "Rows of the tables that this worker joins with")),
      table_bytes_(AddGauge(registry, labels, "levada_scoring_table_bytes",
                            "Memory of the tables that this worker joins with")),
      late_(LateCounter(registry, labels)) {}

void StateProbe::Set(const Size& size) {
  keys_.Set(static_cast<double>(size.keys));
  bytes_.Set(static_cast<double>(size.bytes));
  keys_on_disk_.Set(static_cast<double>(size.keys_on_disk));
  bytes_on_disk_.Set(static_cast<double>(size.bytes_on_disk));
  table_rows_.Set(static_cast<double>(size.table_rows));
  table_bytes_.Set(static_cast<double>(size.table_bytes));
}

void StateProbe::Spilled(uint64_t keys, uint64_t read_back, uint64_t failures) {
  const auto raise = [](prometheus::Counter& counter, uint64_t to) {
    counter.Increment(static_cast<double>(to) - counter.Value());
  };
  raise(spilled_, keys);
  raise(read_back_, read_back);
  raise(failures_, failures);
}

void StateProbe::Late(uint64_t events) {
  metrics_.Late(events);
  late_.Increment(static_cast<double>(events));
}

}  // namespace levada::scoring
