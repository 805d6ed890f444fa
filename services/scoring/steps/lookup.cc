#include "services/scoring/csv_table.h"
#include "services/scoring/reload_probe.h"
#include "services/scoring/reloaded.h"
#include "services/scoring/steps/row_step.h"

namespace levada::scoring {
namespace {

// Adds the row that a CSV file has for a key of the event.
class Lookup : public RowStep {
 public:
  static absl::StatusOr<std::unique_ptr<Step>> Create(const StepContext& context) {
    const v1::Lookup& config = context.step.lookup();
    auto settings = Make(context, "lookup by", config);
    if (!settings.ok()) return settings.status();
    const auto load = [column = config.key()](const std::string& path) {
      return CsvTable::Load(path, column);
    };
    auto table = Reloaded<CsvTable>::Start(
        context.stage.FilePath(config.csv()), load,
        ReloadProbe(context.stage.registry, context.stage.Labels(), "lookup", config.as()));
    if (!table.ok()) return table.status();
    return std::make_unique<Lookup>(*std::move(settings), *std::move(table));
  }

  Lookup(Settings settings, std::unique_ptr<Reloaded<CsvTable>> table)
      : RowStep(std::move(settings)), table_(std::move(table)) {}

  std::string_view kind() const override { return "lookup"; }
  // Rows are part of events until here.
  void EndBatch() override { table_->Turn(); }

 private:
  std::optional<std::string_view> Find(std::string_view key) override {
    return table_->current().Find(key);
  }

  std::unique_ptr<Reloaded<CsvTable>> table_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeLookup(const StepContext& context) {
  return Lookup::Create(context);
}

}  // namespace levada::scoring
