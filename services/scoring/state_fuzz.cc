// Any bytes as a changelog: of each stage, one that it has really written, with keys and values
// that the input changes. What is restored can be worked with. What is then written down is
// restored, too, or refused: damage that could not be told from state may be told later, a sum that
// grows beyond what a double holds, for one.
#include <cstdint>
#include <cstdlib>
#include <map>

#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

constexpr char kManifest[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: fuzz}
spec:
  topics:
  - {name: in, timestamp: at, fields: [{name: at, type: timestamp}, {name: k, type: string}, {name: x, type: double}]}
  - {name: out}
  stages:
  - name: features
    scoring:
      from: in
      to: out
      steps:
      - dedup: {by: [k, x], within: 10m}
      - features:
          by: [k]
          over: [1m, 1h]
          lateness: 2m
          panes: 12
          set:
          - {name: count, value: count()}
          - {name: sum, value: sum(x)}
          - {name: avg, value: avg(x)}
          - {name: dev, value: stddev(x)}
          - {name: max, value: max(x)}
          - {name: p90, value: 'quantile(x, 0.9)'
}
          - {name: kinds, value: distinct(x)}
          - {name: first, value: first(k)}
          - {name: last, value: last(x), where: x > 3}
          - {name: since, value: time_since_last()}
  - name: windows
    scoring:
      from: in
      to: out
      steps:
      - window:
          by: [k]
          tumbling: 1m
          lateness: 10s
          set:
          - {name: x, value: sum(x)}
          - {name: kinds, value: distinct(x)}
          - {name: p50, value: 'quantile(x, 0.5)'}
          - {name: last, value: last(k)}
      - window: {by: [k], hopping: {size: 10m, every: 5m}, set: [{name: most, value: max(x)}]}
  - name: sessions
    scoring:
      from: in
      to: out
      steps:
      - window:
          by: [k]
          session: {gap: 30s, max: 5m}
          lateness: 1m
          set:
          - {name: x, value: avg(x)}
          - {name: first, value: first(x)}
          - {name: p50, value: 'quantile(x, 0.5)'}
          - {name: kinds, value: distinct(x)}
  - name: digest
    scoring: {from: in, to: out, steps: [{anomaly: {by: [k], values: [x]}}]}
  - name: seasonal
    scoring: {from: in, to: out, steps: [{anomaly: {by: [k], values: [x, "x * 2.0"], method: seasonal}}]}
  - name: forest
    scoring:
      from: in
      to: out
      state: {ttl: 1h}
      steps: [{anomaly: {by: [k], values: [x], method: combined, trees: 2, samples: 16, shingle: 2}}]
)";

constexpr const char* kStages[] = {"features", "windows",  "sessions",
                                   "digest",   "seasonal", "forest"};
constexpr int64_t kBeginMs = 1'750'000'000'000;

using Changelog = std::map<std::string, std::string>;

void Demand(bool condition) {
  if (!condition) std::abort();
}

class Stage {
 public:
  explicit Stage(const char* name)
      : stage_(kManifest, name),
        chain_(stage_.MakeChain()),
        state_(*static_cast<runtime::Processor&>(*chain_).state()) {
    state_.Assign(0, 1);
    for (int i = 0; i < 40; ++i) Process(i * 20'000, 10);
    Write(&written_);
  }

  const Changelog& written() const { return written_; }

  // False: it was refused.
  bool Restore(const Changelog& log) {
    state_.Reset();
    state_.Assign(0, 1);
    std::vector<Record> records;
    for (const auto& [key, value] : log) {
      records.push_back({.key = key, .value = value, .has_key = true});
    }
    if (!state_.Restore(Batch("log", records, nullptr)).ok()) return false;
    state_.Restored(0);
    return true;
  }

  void Process(int64_t from_ms, int count) {
    std::vector<std::string> events;
    for (int i = 0; i < count; ++i) {
      const int64_t at_ms = kBeginMs + from_ms + i * 1'700 - i % 3 * 5'000;
      events.push_back(
          base::StrCat(R"({"at":)", at_ms, R"(,"k":"k)", i % 3, R"(","x":)", i * 7 % 11, ".5}"));
    }
    const Batch batch = Batch::FromValues("in", std::move(events), 0, kBeginMs + 86'000'000);
    out_.Clear();
    Demand(chain_->Process(batch, &out_).ok());
  }

  void Tick(int64_t now_ms) {
    out_.Clear();
    Demand(state_.Tick(now_ms, &out_).ok());
  }

  void Write(Changelog* log) {
    OutputBatch changes;
    state_.Checkpoint(&changes);
    for (const OutputRecord& change : changes.records()) {
      if (change.has_value) {
        (*log)[std::string(change.key)] = changes.Value(change);
      } else {
        log->erase(std::string(change.key));
      }
    }
  }

 private:
  TestStage stage_;
  std::unique_ptr<Chain> chain_;
  runtime::Stateful& state_;
  Changelog written_;
  OutputBatch out_;
};

// A byte of a key or value in four of the input: which record, where (two), what.
Changelog Changed(const Changelog& log, const uint8_t* data, size_t size) {
  Changelog changed = log;
  for (; size >= 4; data += 4, size -= 4) {
    auto at = std::next(changed.begin(), data[0] % changed.size());
    const size_t place = size_t{data[1]} << 8 | data[2];
    if (data[0] >= 240) {  // cut off, or grown
      at->second.resize(place % 600, static_cast<char>(data[3]));
    } else if (data[0] >= 225) {
      std::string key = at->first;
      std::string value = at->second;
      key[place % key.size()] = static_cast<char>(data[3]);
      changed[key] = std::move(value);
    } else if (!at->second.empty()) {
      at->second[place % at->second.size()] = static_cast<char>(data[3]);
    }
  }
  return changed;
}

void Run(const uint8_t* data, size_t size) {
  if (size < 2) return;
  static auto& stages = *new std::map<const char*, std::unique_ptr<Stage>>;
  const char* const name = kStages[data[0] % std::size(kStages)];
  auto& stage = stages[name];
  if (stage == nullptr) stage = std::make_unique<Stage>(name);
  Changelog log = Changed(stage->written(), data + 2, size - 2);
  const bool damaged = log != stage->written();
  if (!stage->Restore(log)) return Demand(damaged);
  stage->Process(data[1] * 10'000, 6);
  stage->Tick(kBeginMs + 86'400'000);
  stage->Write(&log);
  if (!stage->Restore(log)) return Demand(damaged);
  stage->Process(data[1] * 10'000 + 120'000, 6);
  stage->Tick(runtime::Stateful::kEnd);
}

}  // namespace
}  // namespace levada::scoring

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  levada::scoring::Run(data, size);
  return 0;
}
