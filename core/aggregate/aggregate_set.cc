#include "core/aggregate/aggregate_set.h"

#include <cmath>

#include "core/aggregate/call.h"
#include "core/base/strings.h"

namespace levada::aggregate {
namespace {

using expr::Kind;
using expr::Value;

// A sum that is of integers throughout; others are of doubles.
bool IsInteger(expr::Type type) { return type.kind == Kind::kInt || type.kind == Kind::kUint; }
bool MayBeText(expr::Type type) {
  return type.dyn() || type.kind == Kind::kString || type.kind == Kind::kBytes;
}

bool TakesNumbers(Function function) {
  return function == Function::kSum || function == Function::kAvg ||
         function == Function::kStddev || function == Function::kQuantile;
}

bool IsScalar(Kind kind) { return WrongType(Function::kMin, {kind}).empty(); }

}  // namespace

AggregateSet::AggregateSet(AggregateSet&&) noexcept = default;
AggregateSet& AggregateSet::operator=(AggregateSet&&) noexcept = default;
AggregateSet::~AggregateSet() = default;

class AggregateSet::Compiler {
 public:
  Compiler(Use use, expr::Env* env, std::vector<CallProblem>* problems)
      : use_(use), env_(env), problems_(problems) {}

  void Take(size_t index, const Call& call) {
    index_ = index;
    ParsedCall parsed;
    std::vector<expr::Problem> problems;
    if (!ParseCall(call.value, &parsed, &problems)) {
      Tell(false, problems);
      Condition(call.where);
      return;
    }
    if (parsed.function == Function::kTimeSinceLast && use_ == Use::kWindow) {
      Tell(false, {{1, 1, "time_since_last is of an event: a window has none"}});
    }
    Accumulator accumulator;
    accumulator.function = parsed.function;
    Source source;
    expr::Type type;
    if (!parsed.arguments.empty()) {
      source.argument = Compile(parsed.arguments[0].padded, parsed.arguments[0].text,
                                expr::Type::Dyn(), false, &set_.arguments_);
      if (source.argument >= 0) {
        type = set_.arguments_[source.argument].program.type();
        const std::string wrong = WrongType(parsed.function, type);
        if (!wrong.empty()) Tell(false, {{1, 1, wrong}});
      }
    }
    const double parameter = parsed.arguments.size() > 1 ? Parameter(parsed.arguments[1]) : 0;
    source.condition = Condition(call.where);
    accumulator.integer = parsed.function == Function::kSum && IsInteger(type);
    const bool scalar = parsed.function == Function::kMin || parsed.function == Function::kMax ||
                        parsed.function == Function::kFirst || parsed.function == Function::kLast;
    accumulator.text = scalar && MayBeText(type);
    set_.results_.push_back(
        {Share(accumulator, source), parameter, ResultType(parsed.function, type)});
  }

  absl::StatusOr<AggregateSet> Finish() {
    if (!message_.empty()) return absl::InvalidArgumentError(message_);
    set_.argument_values_.resize(set_.arguments_.size());
    set_.condition_values_.resize(set_.conditions_.size());
    for (size_t i = 0; i < set_.accumulators_.size(); ++i) Sign(i);
    return std::move(set_);
  }

 private:
  void Tell(bool in_where, const std::vector<expr::Problem>& problems) {
    for (const expr::Problem& problem : problems) {
      base::StrAppend(&message_, message_.empty() ? "" : "\n", problem.line, ":", problem.column,
                      ": ", problem.message);
      if (problems_ != nullptr) problems_->push_back({index_, in_where, problem});
    }
  }

  // The number of an expression in `all`, where one text stands once; -1 where it is wrong.
  int Compile(const std::string& padded, std::string_view text, expr::Type expected, bool in_where,
              std::vector<Expression>* all) {
    for (size_t i = 0; i < all->size(); ++i) {
      if ((*all)[i].text == text) return static_cast<int>(i);
    }
    std::vector<expr::Problem> problems;
    auto program = expr::Compile(padded, env_, expected, &problems);
    if (!program.ok()) {
      Tell(in_where, problems);
      return -1;
    }
    const int field = program->copied_field();
    all->push_back({*std::move(program), std::string(text), field});
    return static_cast<int>(all->size()) - 1;
  }

  int Condition(const std::string& where) {
    if (where.empty()) return -1;
    return Compile(where, where, {Kind::kBool}, true, &set_.conditions_);
  }

  double Parameter(const ParsedCall::Argument& argument) {
    std::vector<expr::Problem> problems;
    const auto program = expr::Compile(argument.padded, env_, {Kind::kDouble}, &problems);
    Tell(false, problems);
    if (!program.ok()) return 0;
    double number = -1;
    if (program->constant()) {
      base::Arena arena;
      expr::Activation activation(*env_, &arena);
      activation.Begin();
      const Value value = program->Eval(activation);
      if (value.is(Kind::kDouble)) number = value.real();
      if (value.is(Kind::kInt)) number = static_cast<double>(value.integer());
    }
    if (number >= 0 && number <= 1) return number;
    const size_t blanks = argument.padded.find_first_not_of(" \n\t\r");
    expr::Problem problem;
    problem.column = 1 + static_cast<int>(blanks == std::string::npos ? 0 : blanks);
    problem.message = "the second argument of quantile is a number from 0 to 1, such as 0.95";
    Tell(false, {problem});
    return 0;
  }

  // The accumulator for a result: one that is there already where it would hold the same.
  size_t Share(Accumulator accumulator, Source source) {
    for (size_t i = 0; i < set_.accumulators_.size(); ++i) {
      if (set_.accumulators_[i].function == accumulator.function &&
          set_.sources_[i].argument == source.argument &&
          set_.sources_[i].condition == source.condition) {
        return i;
      }
    }
    accumulator.offset = set_.bytes_;
    set_.bytes_ += accumulator.bytes();
    set_.accumulators_.push_back(accumulator);
    set_.sources_.push_back(source);
    return set_.accumulators_.size() - 1;
  }

  void Sign(size_t i) {
    const Accumulator& accumulator = set_.accumulators_[i];
    const Source& source = set_.sources_[i];
    base::StrAppend(&set_.signature_, FunctionName(accumulator.function),
                    accumulator.integer ? ":int" : "", accumulator.text ? ":text" : "", "(",
                    source.argument < 0 ? "" : set_.arguments_[source.argument].text, ")");
    if (source.condition >= 0) {
      base::StrAppend(&set_.signature_, " where ", set_.conditions_[source.condition].text);
    }
    set_.signature_ += '\n';
  }

  const Use use_;
  expr::Env* const env_;
  std::vector<CallProblem>* const problems_;
  size_t index_ = 0;
  std::string message_;
  AggregateSet set_;
};

absl::StatusOr<AggregateSet> AggregateSet::Compile(std::span<const Call> calls, Use use,
                                                   expr::Env* env,
                                                   std::vector<CallProblem>* problems) {
  Compiler compiler(use, env, problems);
  for (size_t i = 0; i < calls.size(); ++i) compiler.Take(i, calls[i]);
  return compiler.Finish();
}

bool AggregateSet::Evaluate(expr::Activation& activation, Inputs* inputs,
                            std::string* error) const {
  constexpr int8_t kUnknown = -1;
  inputs->values_.resize(accumulators_.size());
  std::fill(argument_values_.begin(), argument_values_.end(), Value());
  std::fill(condition_values_.begin(), condition_values_.end(), kUnknown);
  for (size_t i = 0; i < accumulators_.size(); ++i) {
    const Source& source = sources_[i];
    Value& value = inputs->values_[i];
    value = Value();
    if (source.condition >= 0) {
      int8_t& known = condition_values_[source.condition];
      if (known == kUnknown) {
        bool holds = false;
        if (!Condition(source.condition, activation, &holds, error)) return false;
        known = holds;
      }
      if (known == 0) continue;
    }
    if (source.argument < 0) {
      value = Value::Bool(true);
      continue;
    }
    // kNone: not evaluated yet. An argument that is kNone itself is cheap to evaluate again.
    Value& known = argument_values_[source.argument];
    const Expression& argument = arguments_[source.argument];
    if (known.is(Kind::kNone)) known = argument.program.Eval(activation);
    value = known;
    if (!Argument(accumulators_[i], argument, activation, &value, error)) return false;
  }
  return true;
}

bool AggregateSet::Condition(int index, expr::Activation& activation, bool* holds,
                             std::string* error) const {
  const Expression& condition = conditions_[index];
  const Value value = condition.program.Eval(activation);
  if (value.is(Kind::kBool)) {
    *holds = value.boolean();
    return true;
  }
  *error = base::StrCat("where ", condition.text, ": ",
                        value.ok() ? "the condition is neither true nor false" : value.text());
  return false;
}

bool AggregateSet::Argument(const Accumulator& accumulator, const Expression& argument,
                            expr::Activation& activation, Value* value, std::string* error) const {
  if (value->is(Kind::kOptional)) {
    *value = value->optional() == nullptr ? Value() : *value->optional();
  }
  const auto fail = [&](const auto&... parts) {
    *error = base::StrCat(FunctionName(accumulator.function), "(", argument.text, "): ", parts...);
    return false;
  };
  switch (value->kind()) {
    case Kind::kNone:
      return true;
    case Kind::kNull:
      *value = Value();
      return true;
    case Kind::kError:
      if (argument.field >= 0 && activation.RawField(argument.field).kind == json::Kind::kAbsent) {
        *value = Value();
        return true;
      }
      return fail(value->text());
    case Kind::kDouble:
      if (std::isnan(value->real())) {
        *value = Value();
        return true;
      }
      break;
    default:
      break;
  }
  if (TakesNumbers(accumulator.function)) {
    if (value->is(Kind::kDouble) && !accumulator.integer) {
      if (std::fabs(value->real()) <= ExactSum::kLargest) return true;
      return fail("a number beyond ±1e144 cannot be added");
    }
    if (value->is(Kind::kInt)) return true;
    if (value->is(Kind::kUint)) {
      if (!accumulator.integer)
        *value = Value::Double(static_cast<double>(value->unsigned_integer()));
      return true;
    }
    return fail("a number is expected, not ", expr::KindName(value->kind()));
  }
  if (accumulator.function == Function::kCount) return true;
  if (!IsScalar(value->kind())) {
    return fail("a single value is expected, not ", expr::KindName(value->kind()));
  }
  const bool text = value->is(Kind::kString) || value->is(Kind::kBytes);
  if (!text || accumulator.function == Function::kDistinct) return true;
  if (!accumulator.text) return fail("text where its type says that there is none");
  if (value->text().size() <= kMaxTextBytes) return true;
  return fail("text of ", value->text().size(), " bytes cannot be kept: the most are ",
              kMaxTextBytes);
}

Layout AggregateSet::MakeLayout(uint32_t header_bytes, uint32_t prefix_bytes) const {
  Layout layout;
  layout.header_bytes = header_bytes;
  layout.prefix_bytes = prefix_bytes;
  layout.entry_bytes = prefix_bytes + bytes_;
  for (const Accumulator& accumulator : accumulators_) {
    if (accumulator.chunk() < 0) continue;
    layout.chunks.push_back(prefix_bytes + accumulator.offset +
                            static_cast<uint32_t>(accumulator.chunk()));
  }
  return layout;
}

uint64_t AggregateSet::max_chunk_bytes() const {
  uint64_t bytes = 0;
  for (const Accumulator& accumulator : accumulators_) bytes += accumulator.max_chunk_bytes();
  return bytes;
}

void AggregateSet::MergeAll(Table& table, size_t at, Table& from, size_t from_at) const {
  for (const Accumulator& accumulator : accumulators_) {
    Merge(accumulator, table, at + accumulator.offset, from, from_at + accumulator.offset);
  }
}

void AggregateSet::Results(Table& table, size_t at, base::Arena* arena,
                           std::span<Value> results) const {
  for (size_t i = 0; i < results_.size(); ++i) {
    const ResultSpec& result = results_[i];
    const Accumulator& accumulator = accumulators_[result.accumulator];
    results[i] = Result(accumulator, result.parameter, table, at + accumulator.offset, arena);
  }
}

absl::Status AggregateSet::CheckAll(Table& table, size_t at) const {
  for (const Accumulator& accumulator : accumulators_) {
    absl::Status status = Check(accumulator, table, at + accumulator.offset);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace levada::aggregate
