// What an update costs: scoring a row and learning it. The same stream as benchmarks/peers/rcf,
// which has the Java reference do the same; benchmarks/bench_forest.py runs both.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "core/anomaly/detector.h"
#include "core/anomaly/forest.h"
#include "core/base/random.h"

namespace levada::anomaly {
namespace {

constexpr size_t kRows = 100'000;

std::vector<float> Rows(int dimensions) {
  uint64_t state = 42;
  std::vector<float> rows;
  for (size_t i = 0; i < kRows; ++i) {
    for (int d = 0; d < dimensions; ++d) {
      const double noise = static_cast<double>(base::SplitMix64(&state) >> 11) * 0x1p-53;
      rows.push_back(
          static_cast<float>(10 * std::sin(static_cast<double>(i) * 0.0218 * (d + 1)) + noise));
    }
  }
  return rows;
}

// dimensions, shingle, trees, samples
void BM_ForestUpdate(benchmark::State& state) {
  const auto dimensions = static_cast<size_t>(state.range(0));
  auto forest = Forest::Make({.dimensions = static_cast<int>(state.range(0)),
                              .shingle = static_cast<int>(state.range(1)),
                              .trees = static_cast<int>(state.range(2)),
                              .samples = static_cast<int>(state.range(3))});
  const std::vector<float> rows = Rows(static_cast<int>(dimensions));
  const auto row = [&](size_t i) { return std::span(&rows[i % kRows * dimensions], dimensions); };
  size_t i = 0;
  for (; i < kRows / 2; ++i) forest->Update(row(i));
  const size_t begin = i;
  double sum = 0;
  for (auto _ : state) sum += forest->Update(row(i++));
  state.SetItemsProcessed(state.iterations());
  state.counters["score"] = sum / static_cast<double>(i - begin);
  state.counters["bytes"] = static_cast<double>(forest->ByteSize());
}
BENCHMARK(BM_ForestUpdate)
    ->ArgNames({"dimensions", "shingle", "trees", "samples"})
    ->Args({1, 8, 50, 256})
    ->Args({4, 8, 50, 256})
    ->Args({10, 1, 50, 256})
    ->Args({1, 8, 100, 256});

void BM_DetectorUpdate(benchmark::State& state) {
  const Settings settings{.kind = static_cast<Kind>(state.range(0))};
  auto detector = Detector::Make(settings);
  const std::vector<float> rows = Rows(1);
  size_t i = 0;
  const auto update = [&] {
    const double value = double{rows[i % kRows]};
    const Result& result = detector->Update({&value, 1}, static_cast<int64_t>(i) * 300'000);
    ++i;
    return result.score;
  };
  while (i < kRows / 2) update();
  for (auto _ : state) benchmark::DoNotOptimize(update());
  state.SetItemsProcessed(state.iterations());
  std::string bytes;
  detector->Serialize(&bytes);
  state.counters["bytes"] = static_cast<double>(detector->ByteSize());
  state.counters["state"] = static_cast<double>(bytes.size());
}
BENCHMARK(BM_DetectorUpdate)->ArgName("kind")->DenseRange(0, 3);

void BM_SerializeAndParse(benchmark::State& state) {
  auto detector = Detector::Make({.kind = static_cast<Kind>(state.range(0))});
  const std::vector<float> rows = Rows(1);
  for (size_t i = 0; i < kRows / 2; ++i) {
    const double value = double{rows[i]};
    detector->Update({&value, 1}, static_cast<int64_t>(i) * 300'000);
  }
  std::string bytes;
  for (auto _ : state) {
    bytes.clear();
    detector->Serialize(&bytes);
    benchmark::DoNotOptimize(Detector::Parse(bytes));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes.size()));
}
BENCHMARK(BM_SerializeAndParse)->ArgName("kind")->DenseRange(0, 3);

}  // namespace
}  // namespace levada::anomaly

BENCHMARK_MAIN();
