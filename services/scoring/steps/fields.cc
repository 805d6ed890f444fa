// drop and select: they only change which fields the event has from here on. The bytes are moved
// once, when the event is written (writer.cc).

#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

class Fields : public Step {
 public:
  explicit Fields(std::string_view kind) : kind_(kind) {}
  std::string_view kind() const override { return kind_; }
  Verdict Apply(Event&) override { return Verdict::kKeep; }

 private:
  std::string_view kind_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeDrop(const StepContext& context) {
  for (const std::string& name : context.step.drop()) context.env.Remove(name);
  return std::make_unique<Fields>("drop");
}

absl::StatusOr<std::unique_ptr<Step>> MakeSelect(const StepContext& context) {
  const std::vector<std::string> names(context.step.select().begin(), context.step.select().end());
  context.env.KeepOnly(names);
  return std::make_unique<Fields>("select");
}

}  // namespace levada::scoring
