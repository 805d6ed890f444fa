#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/expr/activation.h"
#include "core/expr/env.h"
#include "core/expr/program.h"
#include "core/runtime/stage.h"
#include "services/scoring/state/state.h"
#include "services/scoring/state/tables.h"

// A step of a scoring stage. Each kind is one file in steps/ and one line in steps/registry.cc.
//
// Most steps look at one event at a time. A step that wants many at once (a model) is a barrier:
// the chain runs all events of the batch up to it, lets it work on all of them, and goes on.
//
// A step that remembers something keeps it in the partition of the event (state/state.h), never in
// itself: what it adds to an event follows from the partition's records alone.
//
// Threads: a step is made once and then used by one thread; the synchronous detector has steps of
// its own.
namespace levada::scoring {

class Segment;

// The event that a step is at.
struct Event {
  expr::Activation& activation;
  size_t row = 0;            // with a barrier: its place in the batch of the barrier
  std::string_view error{};  // with kFail: why, in memory that lasts until the next event

  // ---- For steps with state ----
  Partition* partition = nullptr;  // of the input; never null where a stage has state
  int64_t time_us = 0;             // event time
  // What event time had come to in the partition with this event: that of the newest; of several
  // sources that of the one that is farthest behind, so that the event may be ahead of it.
  int64_t newest_us = 0;
  int32_t source = -1;  // index of the record of the batch that it comes from
  bool look = false;    // state is looked at and not changed: the synchronous detector
  size_t fan = 0;       // with kFan: how many events it becomes
};

enum class Verdict {
  kKeep,
  kDrop,  // filtered
  kFail,  // a dead letter
  kTake,  // the step has taken it up: it is part of what comes out later
  kFan,   // it becomes `event.fan` events: Fan is called for each
  kLate,  // too late for a window that is closed
};

class Step {
 public:
  virtual ~Step() = default;

  // "filter", "set" …: with its number, the place that error messages name.
  virtual std::string_view kind() const = 0;
  // Handles one event. Values that it adds go into slots that it declared when it was made.
  virtual Verdict Apply(Event& event) = 0;

  // A barrier has Apply gather the events' inputs, then Run is called once, then Finish for each.
  virtual bool barrier() const { return false; }
  virtual absl::Status Run(size_t rows) {
    (void)rows;
    return absl::OkStatus();
  }
  virtual void Finish(Event& event) { (void)event; }

  // With kFan: makes the activation that of the k-th event.
  virtual void Fan(Event& event, size_t k) {
    (void)event;
    (void)k;
  }
  // Time passes by the clock on the wall; runtime::Stateful::kEnd: no more events will
  // come, and all that is open is due.
  virtual void Tick(Partition& partition, int64_t now_ms) {
    (void)partition;
    (void)now_ms;
  }

  // The field of the event (its slot of the scan) by which it will look for a key in `KeyTable`;
  // -1: not known beforehand.
  virtual int KeyField() const { return -1; }
  virtual const StateTable* KeyTable(const Partition& partition) const {
    (void)partition;
    return nullptr;
  }

  // For how many events each of its rules has held.
  virtual std::vector<runtime::StepReached::Rule> RulesReached() const { return {}; }

  // After the last event of a batch: hands in what was counted meanwhile.
  virtual void EndBatch() {}
};

// Slots of the activation that hold a field of the event as it stands there → the scan's slot of
// that field. What leaves the stage is then the field's bytes, so that numbers keep all their
// digits.
using CopiedFields = absl::flat_hash_map<int, int>;

// What steps are made with. `env` is at the step's place in the stage: it knows the fields of the
// events that come in here. A step compiles its expressions, then declares what it adds or removes.
struct StepContext {
  const runtime::StageContext& stage;
  const v1::Step& step;
  expr::Env& env;
  CopiedFields& copied;
  std::string name;  // `features-2`, or what the manifest calls it
  StageState& state;
  Tables& tables;
  int segment = 0;  // number of the run of steps between windows: its clock
  Segment* next;    // what a window's results go to; else null
};

// The step of whichever kind `context.step` is.
absl::StatusOr<std::unique_ptr<Step>> MakeStep(const StepContext& context);

// Compiles an expression of a step; an error names `what`.
absl::StatusOr<expr::Program> CompileFor(const StepContext& context, std::string_view what,
                                         std::string_view source, expr::Type expected);

}  // namespace levada::scoring
