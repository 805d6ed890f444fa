#include "core/base/strings.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

// Adds or replaces fields. All expressions are compiled before the slots are declared, so each of
// them sees the event as it entered the step.
class Set : public Step {
 public:
  struct Assignment {
    std::string name;
    expr::Program value;
    int copied = -1;  // the scan's slot of the field that it passes on
    int slot = -1;
  };

  explicit Set(std::vector<Assignment> assignments) : assignments_(std::move(assignments)) {}

  std::string_view kind() const override { return "set"; }

  Verdict Apply(Event& event) override {
    for (const Assignment& assignment : assignments_) {
      const expr::Value value = assignment.value.Eval(event.activation);
      if (!value.ok()) {
        error_ = base::StrCat(assignment.name, ": ", value.text());
        event.error = error_;
        return Verdict::kFail;
      }
      event.activation.Set(assignment.slot, value);
    }
    return Verdict::kKeep;
  }

 private:
  std::vector<Assignment> assignments_;
  std::string error_;
};

// The field of the event that an assignment merely passes on, perhaps through an earlier one; or
// -1.
int CopiedField(const StepContext& context, const expr::Program& value) {
  if (value.copied_field() >= 0) return value.copied_field();
  const expr::Env::Name name = context.env.Find(value.source());
  const auto copied = context.copied.find(name.slot);
  return copied == context.copied.end() ? -1 : copied->second;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeSet(const StepContext& context) {
  std::vector<Set::Assignment> assignments;
  for (const v1::Assignment& entry : context.step.set()) {
    auto value =
        CompileFor(context, base::StrCat("set ", entry.name()), entry.value(), expr::Type::Dyn());
    if (!value.ok()) return value.status();
    const int copied = CopiedField(context, *value);
    assignments.push_back({entry.name(), *std::move(value), copied});
  }
  for (Set::Assignment& assignment : assignments) {
    assignment.slot = context.env.DeclareSlot(assignment.name, assignment.value.type());
    if (assignment.copied >= 0) context.copied[assignment.slot] = assignment.copied;
  }
  return std::make_unique<Set>(std::move(assignments));
}

}  // namespace levada::scoring
