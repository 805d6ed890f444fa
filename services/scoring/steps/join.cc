#include "services/scoring/steps/row_step.h"

namespace levada::scoring {
namespace {

// Adds the row that a table has for a key of the event.
class Join : public RowStep {
 public:
  static absl::StatusOr<std::unique_ptr<Step>> Create(const StepContext& context) {
    const v1::Join& config = context.step.join();
    auto settings = Make(context, "join by", config);
    if (!settings.ok()) return settings.status();
    const size_t table = context.tables.Add(config.table());
    return std::make_unique<Join>(*std::move(settings), context.tables, table);
  }

  Join(Settings settings, const Tables& tables, size_t table)
      : RowStep(std::move(settings)), tables_(tables), table_(table) {}

  std::string_view kind() const override { return "join"; }

 private:
  std::optional<std::string_view> Find(std::string_view key) override {
    return tables_.Find(table_, key);
  }

  const Tables& tables_;
  const size_t table_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeJoin(const StepContext& context) {
  return Join::Create(context);
}

}  // namespace levada::scoring
