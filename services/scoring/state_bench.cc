// What state costs an event where it has a bound of memory and more keys than that: features over
// three spans, through Chain::Process and Checkpoint, without Kafka.
//
//   state_bench --benchmark_filter='Features/1000000/.*'     keys / bound in MiB (0: none)
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cmath>
#include <fstream>

#include "core/base/random.h"
#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

constexpr char kSteps[] = R"(      - features:
          by: [user]
          over: [1m, 1h, 1d]
          set:
          - {name: count, value: count()}
          - {name: spent, value: sum(amount)}
)";
constexpr int kBatch = 2000;
constexpr int kBatchesACommit = 10;
constexpr int64_t kBegin = 1'700'000'000'000;

// Resident memory of this process.
double ResidentMiB() {
  malloc_trim(0);
  std::ifstream in("/proc/self/statm");
  double pages = 0;
  in >> pages >> pages;
  return pages * 4096 / (1 << 20);
}

// Some keys come more often than others, by Zipf's law with an exponent of about 1.
uint64_t KeyOf(base::Random* random, int64_t keys) {
  const double rank = std::pow(static_cast<double>(keys), random->Unit());
  return static_cast<uint64_t>(rank) * 0x9E3779B97F4A7C15 % static_cast<uint64_t>(keys);
}

Batch Events(base::Random* random, int64_t keys, bool zipf, int64_t* now_ms) {
  std::vector<std::string> events;
  for (int i = 0; i < kBatch; ++i) {
    const uint64_t key = zipf ? KeyOf(random, keys) : random->Below(static_cast<uint64_t>(keys));
    events.push_back(
        base::StrCat("{\"user\":\"user-", key, "\",\"amount\":", random->Below(1000), "}"));
  }
  *now_ms += 20;
  return Batch::FromValues("in", std::move(events), 0, *now_ms);
}

void Run(benchmark::State& bench, bool zipf) {
  const int64_t keys = bench.range(0);
  TestStage stage(ManifestWith(kSteps));
  stage.stage().mutable_scoring()->mutable_state()->set_memory(
      bench.range(1) == 0 ? "1Ti" : base::StrCat(bench.range(1), "Mi"));
  const auto chain = stage.MakeChain();
  if (testing::Test::HasFailure()) return bench.SkipWithError("the stage cannot be made");
  runtime::Stateful& state = *chain->state();
  const double before = ResidentMiB();
  state.Assign(0, 1);
  state.Restored(0);
  base::Random random(1);
  int64_t now_ms = kBegin;
  OutputBatch out;
  OutputBatch changes;
  int batches = 0;
  const auto process = [&](const Batch& batch) {
    out.Clear();
    if (!chain->Process(batch, &out).ok()) bench.SkipWithError("failed");
    if (++batches % kBatchesACommit != 0) return;
    changes.Clear();
    state.Checkpoint(&changes);
  };
  // All keys are there first.
  for (int64_t i = 0; i < keys * 3; i += kBatch) process(Events(&random, keys, false, &now_ms));
  for (auto _ : bench) {
    bench.PauseTiming();
    const Batch batch = Events(&random, keys, zipf, &now_ms);
    bench.ResumeTiming();
    process(batch);
  }
  bench.SetItemsProcessed(bench.iterations() * kBatch);
  bench.counters["MiB"] = ResidentMiB() - before;
  state.Reset();
}

void Features(benchmark::State& bench) { Run(bench, true); }
void FeaturesUniform(benchmark::State& bench) { Run(bench, false); }

BENCHMARK(Features)->Args({1'000'000, 0})->Args({1'000'000, 128})->Args({1'000'000, 32});
BENCHMARK(FeaturesUniform)->Args({1'000'000, 0})->Args({1'000'000, 128})->Args({1'000'000, 32});

}  // namespace
}  // namespace levada::scoring

BENCHMARK_MAIN();
