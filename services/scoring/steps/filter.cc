#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

// Keeps the events for which a condition holds.
class Filter : public Step {
 public:
  explicit Filter(expr::Program condition) : condition_(std::move(condition)) {}

  std::string_view kind() const override { return "filter"; }

  Verdict Apply(Event& event) override {
    const expr::Value value = condition_.Eval(event.activation);
    if (value.is(expr::Kind::kBool)) return value.boolean() ? Verdict::kKeep : Verdict::kDrop;
    event.error = value.ok() ? "the condition is neither true nor false" : value.text();
    return Verdict::kFail;
  }

 private:
  expr::Program condition_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeFilter(const StepContext& context) {
  auto condition = CompileFor(context, "filter", context.step.filter(), {expr::Kind::kBool});
  if (!condition.ok()) return condition.status();
  return std::make_unique<Filter>(*std::move(condition));
}

}  // namespace levada::scoring
