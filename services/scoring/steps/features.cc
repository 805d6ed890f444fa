#include <algorithm>

#include "core/aggregate/sliding.h"
#include "core/base/units.h"
#include "core/pipeline/schema.h"
#include "services/scoring/keys.h"
#include "services/scoring/probe.h"
#include "services/scoring/state/blob.h"
#include "services/scoring/steps/aggregate_state.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

using aggregate::AggregateSet;
using aggregate::SlidingState;

// Slots of a table that are looked at for expired keys when a key is added, so that there are never
// many more keys than live ones; and when time passes.
constexpr size_t kSweepPerKey = 4;
constexpr size_t kSweepPerTick = 256;

// Adds what is known of a key's events in the spans of time up to each event.
class Features : public Step {
 public:
  // What the state's slots take: a result of SlidingState.
  struct Output {
    std::string name;
    int slot = -1;
    size_t result = 0;
  };

  // `sliding` is made over `set`, which does not move.
  Features(KeyMaker by, std::unique_ptr<AggregateSet> set, std::shared_ptr<SlidingState> sliding,
           std::vector<Output> outputs, int64_t lateness_us, int segment, LateProbe late)
      : by_(std::move(by)),
        set_(std::move(set)),
        sliding_(std::move(sliding)),
        outputs_(std::move(outputs)),
        results_(sliding_->result_count()),
        lateness_us_(lateness_us),
        segment_(segment),
        late_(late) {}

  std::string_view kind() const override { return "features"; }
  int KeyField() const override { return by_.field(); }
  const StateTable* KeyTable(const Partition& partition) const override {
    return partition.steps[index_]->FindTable();
  }
  void EndBatch() override { late_.EndBatch(); }
  void set_index(int index) { index_ = index; }

  Verdict Apply(Event& event) override {
    std::string_view key;
    if (!by_.Key(event.activation, &key)) {
      event.error = key;
      return Verdict::kFail;
    }
    if (!set_->Evaluate(event.activation, &inputs_, &error_)) {
      event.error = error_;
      return Verdict::kFail;
    }
    Update(event, key);
    for (const Output& output : outputs_) {
      const expr::Value value = results_[output.result];
      if (!value.ok()) {
        error_ = base::StrCat(output.name, ": ", value.text());
        event.error = error_;
        return Verdict::kFail;
      }
      event.activation.Set(output.slot, value);
    }
    return Verdict::kKeep;
  }

  void Tick(Partition& partition, int64_t) override {
    StepState& state = *partition.steps[index_];
    Sweep(&state, kSweepPerTick, partition.clocks[segment_].newest_us);
  }

 private:
  void Update(const Event& event, std::string_view key) {
    StepState& state = *event.partition->steps[index_];
    StateTable& table = state.table();
    const uint64_t hash = StateTable::Hash(key);
    const int64_t oldest_us = event.newest_us - lateness_us_;
    base::Arena* const arena = &event.activation.arena();
    StateTable::Entry* const entry = table.Find(key, hash);
    // Whether its memory was swept yet must make no difference.
    const bool live = entry != nullptr && !Expired(entry, event.newest_us);
    if (event.look || (!live && event.time_us < oldest_us)) {
      nothing_.Clear();
      if (live) nothing_.Assign(entry->value());
      Count(sliding_->Update(&nothing_, event.time_us, oldest_us, inputs_, arena, results_), event);
      return;
    }
    EntryBlob blob = entry != nullptr ? EntryBlob(&table, entry) : EntryBlob(&table, key, hash);
    if (!live) blob.Resize(0);
    Count(sliding_->Update(&blob, event.time_us, oldest_us, inputs_, arena, results_), event);
    blob.Done();
    if (entry == nullptr) Sweep(&state, kSweepPerKey, event.newest_us);
  }

  void Count(SlidingState::Arrival arrival, const Event& event) {
    if (arrival == SlidingState::Arrival::kTooLate && !event.look) late_.Late();
  }

  bool Expired(StateTable::Entry* entry, int64_t newest_us) {
    return entry->size() == 0 || sliding_->ExpiresAt(entry->value()) < newest_us;
  }

  void Sweep(StepState* state, size_t slots, int64_t newest_us) {
    state->table().Sweep(slots, state->forgotten(),
                         [&](StateTable::Entry& entry) { return Expired(&entry, newest_us); });
  }

  KeyMaker by_;
  std::unique_ptr<AggregateSet> set_;
  std::shared_ptr<SlidingState> sliding_;
  std::vector<Output> outputs_;
  std::vector<expr::Value> results_;
  const int64_t lateness_us_;
  const int segment_;
  int index_ = -1;
  LateProbe late_;
  aggregate::Inputs inputs_;
  aggregate::OwnedBlob nothing_;  // of a key that is only looked at
  std::string error_;
};

absl::StatusOr<AggregateSet> CompileSet(const StepContext& context) {
  std::vector<aggregate::Call> calls;
  for (const v1::Aggregate& feature : context.step.features().set()) {
    calls.push_back({feature.value(), feature.where()});
  }
  std::vector<aggregate::CallProblem> problems;
  auto set = AggregateSet::Compile(calls, aggregate::Use::kSliding, &context.env, &problems);
  if (set.ok()) return set;
  const aggregate::CallProblem& problem = problems.front();
  return absl::InvalidArgumentError(
      base::StrCat("features ", context.step.features().set(static_cast<int>(problem.call)).name(),
                   ": ", problem.in_where ? "where " : "", problem.problem.line, ":",
                   problem.problem.column, ": ", problem.problem.message));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeFeatures(const StepContext& context) {
  const v1::Features& config = context.step.features();
  auto by = KeyMaker::Make(&context.env, "features by", config.by());
  if (!by.ok()) return by.status();
  auto compiled = CompileSet(context);
  if (!compiled.ok()) return compiled.status();
  auto set = std::make_unique<AggregateSet>(*std::move(compiled));

  aggregate::SlidingOptions options;
  options.panes = static_cast<int>(config.panes());
  for (const std::string& span : config.over()) {
    const auto length = base::ParseDuration(span);
    if (!length.ok()) return length.status();
    options.spans_us.push_back(length->count() * 1000);
  }
  const auto lateness = base::ParseDuration(config.lateness());
  if (!lateness.ok()) return lateness.status();
  options.lateness_us = lateness->count() * 1000;
  auto made = SlidingState::Make(set.get(), options);
  if (!made.ok()) {
    return absl::InvalidArgumentError(
        base::StrCat("features: ", base::View(made.status().message())));
  }
  const auto sliding = std::make_shared<SlidingState>(*std::move(made));

  // What does not depend on the span is of the longest one.
  const size_t longest =
      std::max_element(options.spans_us.begin(), options.spans_us.end()) - options.spans_us.begin();
  std::vector<Features::Output> outputs;
  for (size_t i = 0; i < set->size(); ++i) {
    const v1::Aggregate& feature = config.set(static_cast<int>(i));
    for (size_t span = 0; span < options.spans_us.size(); ++span) {
      const std::string name = pipeline::FeatureName(feature, config.over(static_cast<int>(span)));
      if (name == feature.name() && span != longest) continue;
      outputs.push_back(
          {name, context.env.DeclareSlot(name, set->type(i)), span * set->size() + i});
    }
  }
  const std::string layout = base::StrCat("features/1\n", by->signature(), sliding->Signature());
  const auto index = context.state.AddStep(context.name, layout, [sliding](Slab* slab) {
    return std::make_unique<AggregateState>(
        slab, [sliding](aggregate::Blob* blob) { return sliding->Check(blob); });
  });
  if (!index.ok()) return index.status();
  auto step = std::make_unique<Features>(
      *std::move(by), std::move(set), sliding, std::move(outputs), options.lateness_us,
      context.segment,
      LateProbe(context.stage.metrics, context.stage.registry, context.stage.Labels()));
  step->set_index(*index);
  return step;
}

}  // namespace levada::scoring
