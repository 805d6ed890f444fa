#include "core/aggregate/window.h"

#include <algorithm>
#include <limits>

#include "core/base/units.h"
#include "core/runtime/stateful.h"
#include "services/scoring/state/blob.h"
#include "services/scoring/steps/aggregate_state.h"
#include "services/scoring/steps/steps.h"
#include "services/scoring/steps/window_results.h"

namespace levada::scoring {
namespace {

using aggregate::AggregateSet;
using aggregate::SessionState;
using aggregate::WindowState;

// Behind every window.
constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

struct Settings {
  int64_t lateness_us = 0;
  int64_t idle_ms = 0;  // 0: never
  int segment = 0;      // whose clock it goes by
};

// What both kinds of windows have: the watermark of a partition is `lateness` behind its clock; it
// closes windows before the event that moved it is added. What is closed in one go, or bit by bit,
// comes out in the same order.
class WindowStep : public Step {
 public:
  WindowStep(const Settings& settings, std::unique_ptr<KeyFields> keys,
             std::unique_ptr<AggregateSet> set, const v1::Window& config, Segment* next)
      : keys_(std::move(keys)),
        set_(std::move(set)),
        results_(config, keys_.get(), set_.get(), next),
        settings_(settings) {}

  std::string_view kind() const override { return "window"; }
  void set_index(int index) { index_ = index; }

  Verdict Apply(Event& event) override {
    // A single event that is looked at belongs to no window.
    if (event.look) return Verdict::kTake;
    const int64_t watermark_us = event.newest_us - settings_.lateness_us;
    Close(event.partition, event.source, watermark_us);
    std::string_view key;
    if (!keys_->Write(event.activation, &key)) {
      event.error = key;
      return Verdict::kFail;
    }
    if (!set_->Evaluate(event.activation, &inputs_, &error_)) {
      event.error = error_;
      return Verdict::kFail;
    }
    return Add(event, key, watermark_us);
  }

  void Tick(Partition& partition, int64_t now_ms) override {
    if (now_ms == runtime::Stateful::kEnd) {
      Close(&partition, -1, kForever);
      return;
    }
    Partition::Clock& clock = partition.clocks[settings_.segment];
    // The clock moves on by itself, too: by events that do not come so far, and by other sources.
    if (clock.newest_us != kNoTime) {
      Close(&partition, -1, clock.newest_us - settings_.lateness_us);
    }
    if (settings_.idle_ms == 0) return;
    if (clock.seen_at_ms == 0) clock.seen_at_ms = now_ms;
    if (now_ms - clock.seen_at_ms < settings_.idle_ms) return;
    const int64_t closed_us = Close(&partition, -1, kForever);
    // An event that comes for one of them is late.
    if (closed_us != kNoTime) {
      clock.newest_us = std::max(clock.newest_us, closed_us + settings_.lateness_us);
    }
  }

 protected:
  virtual Verdict Add(Event& event, std::string_view key, int64_t watermark_us) = 0;
  // Closes what a watermark closes. The watermark that all of that needed, or kNoTime.
  virtual int64_t Close(Partition* partition, int32_t source, int64_t watermark_us) = 0;

  StepState& StateOf(const Partition& partition) const { return *partition.steps[index_]; }

  std::unique_ptr<KeyFields> keys_;
  std::unique_ptr<AggregateSet> set_;
  WindowResults results_;
  aggregate::Inputs inputs_;
  std::string error_;

 private:
  const Settings settings_;
  int index_ = -1;
};

// Tumbling and hopping windows: a bucket of the state is a window, by its beginning.
class TimedWindows : public WindowStep {
 public:
  TimedWindows(const Settings& settings, std::unique_ptr<KeyFields> keys,
               std::unique_ptr<AggregateSet> set, const v1::Window& config, Segment* next,
               aggregate::Windows windows, std::shared_ptr<WindowState> state)
      : WindowStep(settings, std::move(keys), std::move(set), config, next),
        windows_(windows),
        state_(std::move(state)) {}

 private:
  Verdict Add(Event& event, std::string_view key, int64_t watermark_us) override {
    StepState& state = StateOf(*event.partition);
    const uint64_t hash = StateTable::Hash(key);
    bool added = false;
    // The last ones first: those before one that is closed are closed too.
    for (int64_t start = windows_.Last(event.time_us);
         windows_.Has(start, event.time_us) && !windows_.Closed(start, watermark_us);
         start -= windows_.every_us) {
      EntryBlob blob(&state.table(start), key, hash);
      state_->Add(&blob, event.time_us, inputs_);
      blob.Done();
      added = true;
    }
    return added ? Verdict::kTake : Verdict::kLate;
  }

  int64_t Close(Partition* partition, int32_t source, int64_t watermark_us) override {
    StepState& state = StateOf(*partition);
    int64_t closed_us = kNoTime;
    while (!state.tables().empty()) {
      auto& [start, table] = *state.tables().begin();
      if (!windows_.Closed(start, watermark_us)) break;
      closed_us = start + windows_.size_us;
      Emit(partition, source, start, table);
      state.Drop(start);
    }
    return closed_us;
  }

  // By key: the order in a table is another one in each process.
  void Emit(Partition* partition, int32_t source, int64_t start, StateTable& table) {
    table.ForEachByKey([&, start](std::string_view key, std::string_view value) {
      blob_.Assign(value);
      state_->Results(&blob_, results_.arena(), results_.values());
      results_.Emit(partition, source, key, start, start + windows_.size_us, start);
    });
  }

  const aggregate::Windows windows_;
  std::shared_ptr<WindowState> state_;
  aggregate::OwnedBlob blob_;
};

// Sessions' state and when they are next to be looked at.
class SessionsState : public AggregateState {
 public:
  SessionsState(Slab* slab, std::shared_ptr<SessionState> sessions)
      : AggregateState(slab, [sessions](aggregate::Blob* blob) { return sessions->Check(blob); }),
        slab_(slab),
        sessions_(std::move(sessions)) {}

  // Each key that has sessions has a timer that is not later than the first of them closes. One
  // that is too early is set again. Timers stay in memory, and count there.
  void WakeAt(int64_t watermark_us, std::string_view key) {
    timers_.push_back({watermark_us, std::string(key)});
    slab_->Count(BytesOf(key));
    std::push_heap(timers_.begin(), timers_.end(), Later());
  }
  // Takes the first of those whose time has come; of one moment the first key.
  bool TakeDue(int64_t watermark_us, int64_t* at_us, std::string* key) {
    if (timers_.empty() || timers_.front().at_us > watermark_us) return false;
    Pop(at_us, key);
    while (!timers_.empty() && timers_.front().at_us == *at_us && timers_.front().key == *key) {
      Pop(at_us, key);
    }
    return true;
  }

  void Restored() override {
    aggregate::OwnedBlob blob;
    table().ForEach([&](StateTable::Entry* entry) {
      blob.Assign(entry->value());
      if (!sessions_->empty(blob)) WakeAt(sessions_->NextClose(&blob), entry->key());
    });
  }

 private:
  struct Timer {
    int64_t at_us = 0;
    std::string key;
  };
  struct Later {
    bool operator()(const Timer& a, const Timer& b) const {
      return a.at_us != b.at_us ? a.at_us > b.at_us : a.key > b.key;
    }
  };

  static ptrdiff_t BytesOf(std::string_view key) {
    static const size_t inside = std::string().capacity();
    return static_cast<ptrdiff_t>(sizeof(Timer) + (key.size() > inside ? key.size() + 1 : 0));
  }

  void Pop(int64_t* at_us, std::string* key) {
    std::pop_heap(timers_.begin(), timers_.end(), Later());
    *at_us = timers_.back().at_us;
    *key = std::move(timers_.back().key);
    timers_.pop_back();
    slab_->Count(-BytesOf(*key));
  }

  Slab* const slab_;
  std::shared_ptr<SessionState> sessions_;
  std::vector<Timer> timers_;  // a heap, the first one the earliest
};

class Sessions : public WindowStep {
 public:
  Sessions(const Settings& settings, std::unique_ptr<KeyFields> keys,
           std::unique_ptr<AggregateSet> set, const v1::Window& config, Segment* next,
           int64_t gap_us, std::shared_ptr<SessionState> sessions)
      : WindowStep(settings, std::move(keys), std::move(set), config, next),
        gap_us_(gap_us),
        sessions_(std::move(sessions)) {}

 private:
  Verdict Add(Event& event, std::string_view key, int64_t watermark_us) override {
    auto& state = static_cast<SessionsState&>(StateOf(*event.partition));
    StateTable& table = state.table();
    const uint64_t hash = StateTable::Hash(key);
    StateTable::Entry* const entry = table.Find(key, hash);
    if (entry == nullptr && event.time_us + gap_us_ < watermark_us) return Verdict::kLate;
    EntryBlob blob = entry == nullptr ? EntryBlob(&table, key, hash) : EntryBlob(&table, entry);
    const int64_t before = sessions_->empty(blob) ? kForever : sessions_->NextClose(&blob);
    const SessionState::Added added = sessions_->Add(&blob, event.time_us, watermark_us, inputs_);
    blob.Done();
    switch (added) {
      case SessionState::Added::kLate:
        return Verdict::kLate;
      case SessionState::Added::kFull:
        event.error = "the key has too many open sessions";
        return Verdict::kFail;
      case SessionState::Added::kAdded:
        break;
    }
    const int64_t after = sessions_->NextClose(&blob);
    if (after < before) state.WakeAt(after, key);
    return Verdict::kTake;
  }

  int64_t Close(Partition* partition, int32_t source, int64_t watermark_us) override {
    auto& state = static_cast<SessionsState&>(StateOf(*partition));
    StateTable& table = state.table();
    int64_t closed_us = kNoTime;
    int64_t at_us = 0;
    while (state.TakeDue(watermark_us, &at_us, &due_)) {
      StateTable::Entry* const entry = table.Find(due_, StateTable::Hash(due_));
      if (entry == nullptr) continue;
      EntryBlob blob(&table, entry);
      SessionState::Session session;
      const bool closed =
          sessions_->Close(&blob, at_us, &session, results_.arena(), results_.values());
      if (closed) {
        closed_us = std::max(closed_us, at_us);
        results_.Emit(partition, source, due_, session.first_us, session.last_us, session.last_us);
      }
      if (sessions_->empty(blob)) {
        table.Erase(blob.Done(), state.forgotten());
        continue;
      }
      state.WakeAt(sessions_->NextClose(&blob), due_);
      if (closed) blob.Done();
    }
    return closed_us;
  }

  const int64_t gap_us_;
  std::shared_ptr<SessionState> sessions_;
  std::string due_;
};

absl::StatusOr<AggregateSet> CompileSet(const StepContext& context) {
  const v1::Window& config = context.step.window();
  std::vector<aggregate::Call> calls;
  std::vector<std::string> names;
  for (const v1::Aggregate& aggregate : config.set()) {
    calls.push_back({aggregate.value(), aggregate.where()});
    names.push_back(aggregate.name());
  }
  for (const v1::Metric& metric : config.metrics()) {
    calls.push_back({metric.value(), metric.where()});
    names.push_back(metric.name());
  }
  std::vector<aggregate::CallProblem> problems;
  auto set = AggregateSet::Compile(calls, aggregate::Use::kWindow, &context.env, &problems);
  if (set.ok()) return set;
  const aggregate::CallProblem& problem = problems.front();
  return absl::InvalidArgumentError(base::StrCat(
      "window ", names[problem.call], ": ", problem.in_where ? "where " : "", problem.problem.line,
      ":", problem.problem.column, ": ", problem.problem.message));
}

absl::StatusOr<int64_t> Micros(const std::string& duration) {
  const auto length = base::ParseDuration(duration);
  if (!length.ok()) return length.status();
  return length->count() * 1000;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeWindow(const StepContext& context) {
  const v1::Window& config = context.step.window();
  auto made_keys = KeyFields::Make(&context.env, config.by());
  if (!made_keys.ok()) return made_keys.status();
  auto keys = std::make_unique<KeyFields>(*std::move(made_keys));
  auto compiled = CompileSet(context);
  if (!compiled.ok()) return compiled.status();
  auto set = std::make_unique<AggregateSet>(*std::move(compiled));

  Settings settings;
  settings.segment = context.segment;
  const auto lateness = Micros(config.lateness());
  if (!lateness.ok()) return lateness.status();
  settings.lateness_us = *lateness;
  if (!config.idle().empty()) {
    const auto idle = Micros(config.idle());
    if (!idle.ok()) return idle.status();
    settings.idle_ms = *idle / 1000;
  }
  const bool session = config.has_session();
  const bool hopping = config.has_hopping();
  // Of windows: size and how often; of sessions: gap and longest.
  const auto first = Micros(session   ? config.session().gap()
                            : hopping ? config.hopping().size()
                                      : config.tumbling());
  const auto second = Micros(session   ? config.session().max()
                             : hopping ? config.hopping().every()
                                       : config.tumbling());
  if (!first.ok()) return first.status();
  if (!second.ok()) return second.status();

  std::unique_ptr<WindowStep> step;
  StageState::Factory factory;
  std::string layout = base::StrCat("window/1\n", keys->signature());
  if (session) {
    const auto sessions = std::make_shared<SessionState>(set.get(), *first, *second);
    base::StrAppend(&layout, sessions->Signature());
    factory = [sessions](Slab* slab) { return std::make_unique<SessionsState>(slab, sessions); };
    step = std::make_unique<Sessions>(settings, std::move(keys), std::move(set), config,
                                      context.next, *first, sessions);
  } else {
    const auto state = std::make_shared<WindowState>(set.get());
    base::StrAppend(&layout, *first, "/", *second, "\n", state->Signature());
    factory = [state](Slab* slab) {
      return std::make_unique<AggregateState>(
          slab, [state](aggregate::Blob* blob) { return state->Check(blob); });
    };
    step = std::make_unique<TimedWindows>(settings, std::move(keys), std::move(set), config,
                                          context.next, aggregate::Windows{*first, *second}, state);
  }
  const auto index = context.state.AddStep(context.name, layout, std::move(factory));
  if (!index.ok()) return index.status();
  step->set_index(*index);
  return step;
}

}  // namespace levada::scoring
