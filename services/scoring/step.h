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

// A step of a scoring stage. Each kind is one file in steps/ and one line in steps/registry.cc.
//
// Most steps look at one event at a time. A step that wants many at once (a model) is a barrier:
// the chain runs all events of the batch up to it, lets it work on all of them, and goes on.
//
// Threads: a step is made once and then used by one thread; the synchronous detector has steps of
// its own.
namespace levada::scoring {

// The event that a step is at.
struct Event {
  expr::Activation& activation;
  size_t row = 0;            // with a barrier: its place in the batch of the barrier
  std::string_view error{};  // with kFail: why, in memory that lasts until the next event
};

enum class Verdict { kKeep, kDrop, kFail };

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
};

// The step of whichever kind `context.step` is.
absl::StatusOr<std::unique_ptr<Step>> MakeStep(const StepContext& context);

// Compiles an expression of a step; an error names `what`.
absl::StatusOr<expr::Program> CompileFor(const StepContext& context, std::string_view what,
                                         std::string_view source, expr::Type expected);

}  // namespace levada::scoring
