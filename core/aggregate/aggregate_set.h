#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/aggregate/accumulator.h"
#include "core/expr/activation.h"
#include "core/expr/env.h"
#include "core/expr/program.h"

// The aggregates of a step, compiled from their text.
//
//   const Call calls[] = {{"count()"}, {"sum(amount)"}, {"quantile(took, 0.95)", "status < 500"}};
//   auto set = AggregateSet::Compile(calls, Use::kWindow, &env);
//   …
//   if (!set->Evaluate(activation, &inputs, &error)) …      // once an event
//   window.Add(&blob, inputs, time);                          // window.h, sliding.h
//
//   Call                  Result            Values that are taken
//   count()               int               every event
//   count(x)              int               any
//   sum(x)                int where x is of that type, else double; 0 of nothing     numbers
//   avg(x)                double            numbers
//   stddev(x)             double            numbers; of the sample (n − 1), null of fewer than two
//   min(x), max(x)        as x              numbers, text, bytes, bools, timestamps, durations
//   first(x), last(x)     as x              the same; by event time, then by arrival
//   distinct(x)           int               the same; about: see distinct.h
//   quantile(x, 0.95)     double            numbers; about: see quantile.h
//   time_since_last()     double, seconds   the event before; only of Use::kSliding
//
// What is null or NaN is skipped, and so is a field that the event does not have, where x is just
// that field; what has no value then is null, but for count, sum and distinct. An x that cannot be
// evaluated is an error of the event, as is one of the wrong kind, a number beyond ±1e144 (also an
// infinity) in sum, avg, stddev and quantile, and text of more than 64 KiB in min, max, first and
// last. So is a sum of whole numbers beyond 64 bits, as long as it is beyond them: nothing is lost.
//
// Sums, averages and deviations have about twice the digits of a double inside, so that they do not
// depend on the order of the events.
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

struct Call {
  std::string value;  // "sum(amount)"
  std::string where;  // condition; empty: always
};

enum class Use { kSliding, kWindow };

// Something wrong with a call: line and column are of its value, or of its condition.
struct CallProblem {
  size_t call = 0;
  bool in_where = false;
  expr::Problem problem;
};

// The values of one event, by accumulator.
class Inputs {
 public:
  std::span<const expr::Value> values() const { return values_; }

 private:
  friend class AggregateSet;
  std::vector<expr::Value> values_;
};

class AggregateSet {
 public:
  // All expressions see `env` as it is. What is wrong is in the status' message, and one by one in
  // `problems`, which may be null.
  static absl::StatusOr<AggregateSet> Compile(std::span<const Call> calls, Use use, expr::Env* env,
                                              std::vector<CallProblem>* problems = nullptr);

  AggregateSet(AggregateSet&&) noexcept;
  AggregateSet& operator=(AggregateSet&&) noexcept;
  ~AggregateSet();

  // Results, one a call.
  size_t size() const { return results_.size(); }
  expr::Type type(size_t result) const { return results_[result].type; }
  // What the state depends on: a state of another set is of no use.
  const std::string& signature() const { return signature_; }

  // The arguments of an event that meets the conditions. False where one cannot be evaluated or
  // taken; then `error` says why and nothing is to be added.
  bool Evaluate(expr::Activation& activation, Inputs* inputs, std::string* error) const;

  // ---- For the states ----

  std::span<const Accumulator> accumulators() const { return accumulators_; }
  // Layout of entries that hold one of each accumulator behind `prefix_bytes`.
  Layout MakeLayout(uint32_t header_bytes, uint32_t prefix_bytes) const;
  // Most bytes of chunks of such an entry.
  uint64_t max_chunk_bytes() const;
  // The accumulator that a result is of.
  size_t AccumulatorOf(size_t result) const { return results_[result].accumulator; }
  // Each for the accumulators that begin at `at`, an entry's end of the prefix.
  void AddAll(Table& table, size_t at, const Inputs& inputs, int64_t time_us) const {
    for (size_t i = 0; i < accumulators_.size(); ++i) {
      const Accumulator& accumulator = accumulators_[i];
      Add(accumulator, table, at + accumulator.offset, inputs.values()[i], time_us);
    }
  }
  void MergeAll(Table& table, size_t at, Table& from, size_t from_at) const;
  void Results(Table& table, size_t at, base::Arena* arena, std::span<expr::Value> results) const;
  absl::Status CheckAll(Table& table, size_t at) const;

 private:
  struct ResultSpec {
    size_t accumulator = 0;
    double parameter = 0;
    expr::Type type;
  };
  // Where an accumulator's values come from.
  struct Source {
    int argument = -1;   // of arguments_; -1: none
    int condition = -1;  // of conditions_; -1: always
  };
  struct Expression {
    expr::Program program;
    std::string text;
    int field = -1;  // the scan's slot, where it is just a field
  };
  class Compiler;

  AggregateSet() = default;
  bool Condition(int index, expr::Activation& activation, bool* holds, std::string* error) const;
  bool Argument(const Accumulator& accumulator, const Expression& argument,
                expr::Activation& activation, expr::Value* value, std::string* error) const;

  std::vector<Expression> arguments_;
  std::vector<Expression> conditions_;
  std::vector<Accumulator> accumulators_;
  std::vector<Source> sources_;  // by accumulator
  std::vector<ResultSpec> results_;
  std::string signature_;
  uint32_t bytes_ = 0;  // of all accumulators
  // Of the event that is evaluated, so that each is evaluated once.
  mutable std::vector<expr::Value> argument_values_;
  mutable std::vector<int8_t> condition_values_;
};

}  // namespace levada::aggregate
