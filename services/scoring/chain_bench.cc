// What the steps cost an event, without Kafka: Chain::Process over batches of simulated card
// transactions, of the size that the loop reads.
#include <benchmark/benchmark.h>

#include "core/generate/fraud.h"
#include "core/generate/fraud_event.h"
#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

constexpr char kHead[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: bench}
spec:
  topics:
  - name: in
    fields:
    - {name: event_time, type: timestamp}
    - {name: transaction_amt, type: double}
    - {name: distance_km, type: double}
  - {name: normal}
  - {name: large}
  stages:
  - name: score
    scoring:
      from: in
      outputs:
)";
constexpr char kPlainOutput[] = "      - {to: normal}\n      steps:\n";
constexpr char kFilter[] = "      - filter: transaction_amt > 0\n";
constexpr char kSet[] = R"(      - set:
        - {name: hour, value: event_time.getHours()}
        - {name: per_km, value: transaction_amt / (distance_km + 1.0)}
        - {name: corridor, value: 'billing_country + "-" + transaction_currency'}
)";
constexpr char kModel[] = R"(      - model:
          xgboost: models/fraud/fraud.json
          inputs: [transaction_amt, distance_km, hour, hour <= 6, "event_time.getDayOfWeek() in [0, 6]"]
)";
constexpr char kRules[] = R"(      - rules:
          rules:
          - {name: large, when: transaction_amt > 220, outcome: review}
          - {name: rest, when: "true", outcome: approve}
)";
constexpr char kRoute[] = R"(      - {to: large, when: outcome == "review"}
      - {to: normal, when: outcome != "review"}
      steps:
)";

Batch Transactions(int count) {
  generate::FraudSimulator simulator({});
  generate::Transaction transaction;
  std::vector<std::string> events(count);
  for (std::string& event : events) {
    simulator.Next(&transaction);
    generate::AppendEvent(transaction, &event);
  }
  return Batch::FromValues("in", std::move(events));
}

void Run(benchmark::State& state, std::initializer_list<std::string_view> parts) {
  std::string manifest = kHead;
  for (const std::string_view part : parts) manifest += part;
  TestStage stage(manifest);
  const auto chain = stage.MakeChain();
  if (testing::Test::HasFailure()) return state.SkipWithError("the stage cannot be made");
  const Batch batch = Transactions(2000);
  OutputBatch out;
  for (auto _ : state) {
    out.Clear();
    if (!chain->Process(batch, &out).ok()) return state.SkipWithError("failed");
  }
  if (out.records().size() != batch.size()) state.SkipWithError("records were lost");
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch.size()));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(batch.bytes()));
}

void Filter(benchmark::State& state) { Run(state, {kPlainOutput, kFilter}); }
void FilterAndSet(benchmark::State& state) { Run(state, {kPlainOutput, kFilter, kSet}); }
void Stateless(benchmark::State& state) { Run(state, {kRoute, kFilter, kSet, kRules}); }
void WithModel(benchmark::State& state) { Run(state, {kRoute, kFilter, kSet, kModel, kRules}); }

BENCHMARK(Filter);
BENCHMARK(FilterAndSet);
BENCHMARK(Stateless);
BENCHMARK(WithModel);

}  // namespace
}  // namespace levada::scoring

BENCHMARK_MAIN();
