// Nanoseconds an event, the evaluation of arguments left out where it says so.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "core/aggregate/sliding.h"
#include "core/aggregate/window.h"
#include "core/base/random.h"
#include "core/json/scan.h"

namespace levada::aggregate {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr std::string_view kEvent = R"({"card":"156-23-3985","amount":584.33,"city":"Bonn"})";

struct World {
  World(std::vector<Call> calls, Use use) {
    env.DeclareField("amount", expr::FieldType::kDouble);
    auto compiled = AggregateSet::Compile(calls, use, &env);
    if (!compiled.ok()) std::abort();
    set.emplace(*std::move(compiled));
    slots.resize(env.fields().size());
    activation.emplace(env, &arena);
    Evaluate();
  }
  void Evaluate() {
    json::ScanInfo info;
    if (!json::Scan(kEvent, env.fields(), slots, &info).ok()) std::abort();
    activation->Begin(kEvent, slots);
    if (!set->Evaluate(*activation, &inputs, &error)) std::abort();
  }

  expr::Env env;
  std::optional<AggregateSet> set;
  std::vector<json::Value> slots;
  base::Arena arena;
  std::optional<expr::Activation> activation;
  Inputs inputs;
  std::string error;
};

void EvaluateInputs(benchmark::State& state) {
  World world({{"count()"}, {"sum(amount)"}, {"max(amount)"}}, Use::kWindow);
  for (auto _ : state) {
    world.activation->Begin(kEvent, world.slots);
    world.set->Evaluate(*world.activation, &world.inputs, &world.error);
    benchmark::DoNotOptimize(world.inputs);
    world.arena.Reset();
  }
}
BENCHMARK(EvaluateInputs);

// One key's window.
void Tumbling(benchmark::State& state, std::vector<Call> calls) {
  World world(std::move(calls), Use::kWindow);
  WindowState window(&*world.set);
  OwnedBlob blob;
  int64_t time = 0;
  for (auto _ : state) {
    window.Add(&blob, ++time, world.inputs);
    benchmark::DoNotOptimize(blob.data());
  }
}
BENCHMARK_CAPTURE(Tumbling, count_sum, {{"count()"}, {"sum(amount)"}});
BENCHMARK_CAPTURE(Tumbling, count_sum_max_stddev,
                  {{"count()"}, {"sum(amount)"}, {"max(amount)"}, {"stddev(amount)"}});
BENCHMARK_CAPTURE(Tumbling, last_text, {{"last(city)"}});
BENCHMARK_CAPTURE(Tumbling, quantile, {{"quantile(amount, 0.95)"}});
BENCHMARK_CAPTURE(Tumbling, distinct, {{"distinct(city)"}});

// Many keys in turn, each with an event every `range(0)` seconds: 10, a busy key; 60, one event a
// pane of the shortest span, which is the worst; 3600, most events alone in their pane.
void Sliding(benchmark::State& state, std::vector<Call> calls, size_t keys) {
  World world(std::move(calls), Use::kSliding);
  auto sliding = SlidingState::Make(
      &*world.set, {.spans_us = {kHour, 6 * kHour, 24 * kHour}, .lateness_us = kMinute});
  if (!sliding.ok()) std::abort();
  std::vector<OwnedBlob> blobs(keys);
  std::vector<expr::Value> results(sliding->result_count());
  const int64_t step = state.range(0) * kSecond;
  int64_t time = 0;
  const auto run = [&](size_t key) {
    sliding->Update(&blobs[key], time, 0, world.inputs, &world.arena, results);
    benchmark::DoNotOptimize(results.data());
  };
  // Warm: more than a day of events.
  for (; time < 26 * kHour; time += step) {
    for (size_t key = 0; key < keys; ++key) run(key);
  }
  size_t key = 0;
  for (auto _ : state) {
    run(key);
    if (++key == keys) {
      key = 0;
      time += step;
    }
  }
  size_t bytes = 0;
  for (const OwnedBlob& blob : blobs) bytes += blob.size();
  state.counters["bytes_a_key"] = static_cast<double>(bytes) / static_cast<double>(keys);
}
BENCHMARK_CAPTURE(Sliding, three_aggregates, {{"count()"}, {"sum(amount)"}, {"max(amount)"}}, 16)
    ->Arg(1)
    ->Arg(10)
    ->Arg(60)
    ->Arg(3600);
BENCHMARK_CAPTURE(Sliding, count_sum_avg, {{"count()"}, {"sum(amount)"}, {"avg(amount)"}}, 16)
    ->Arg(1)
    ->Arg(10)
    ->Arg(60)
    ->Arg(3600);
BENCHMARK_CAPTURE(Sliding, distinct_quantile, {{"distinct(city)"}, {"quantile(amount, 0.95)"}}, 16)
    ->Arg(10)
    ->Arg(60);

}  // namespace
}  // namespace levada::aggregate

BENCHMARK_MAIN();
