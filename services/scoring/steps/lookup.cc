#include "core/pipeline/schema.h"
#include "services/scoring/csv_table.h"
#include "services/scoring/keys.h"
#include "services/scoring/reload_probe.h"
#include "services/scoring/reloaded.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

// Adds the row that a CSV file has for a key of the event.
class Lookup : public Step {
 public:
  Lookup(KeyMaker by, std::unique_ptr<Reloaded<CsvTable>> table, int slot, bool inner)
      : by_(std::move(by)), table_(std::move(table)), slot_(slot), inner_(inner) {}

  std::string_view kind() const override { return "lookup"; }

  Verdict Apply(Event& event) override {
    const expr::Value value = by_.programs()[0].Eval(event.activation);
    std::optional<std::string_view> row;
    if (!value.is(expr::Kind::kNull) && !value.is(expr::Kind::kNone)) {
      std::string_view key;
      if (!by_.Key(event.activation, &key)) {
        event.error = key;
        return Verdict::kFail;
      }
      row = table_->current().Find(key);
    }
    if (!row && inner_) return Verdict::kDrop;
    event.activation.Set(slot_, row ? expr::Value::JsonMap(*row) : expr::Value::Null());
    return Verdict::kKeep;
  }

  // Rows are part of events until here.
  void EndBatch() override { table_->Turn(); }

 private:
  KeyMaker by_;
  std::unique_ptr<Reloaded<CsvTable>> table_;
  const int slot_;
  const bool inner_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeLookup(const StepContext& context) {
  const v1::Lookup& config = context.step.lookup();
  google::protobuf::RepeatedPtrField<std::string> by;
  *by.Add() = config.by();
  auto key = KeyMaker::Make(&context.env, "lookup by", by);
  if (!key.ok()) return key.status();
  const auto load = [column = config.key()](const std::string& path) {
    return CsvTable::Load(path, column);
  };
  auto table = Reloaded<CsvTable>::Start(
      context.stage.FilePath(config.csv()), load,
      ReloadProbe(context.stage.registry, context.stage.Labels(), "lookup", config.as()));
  if (!table.ok()) return table.status();
  const int slot = context.env.DeclareSlot(config.as(), pipeline::JoinedType());
  return std::make_unique<Lookup>(*std::move(key), *std::move(table), slot,
                                  config.type() == v1::JOIN_TYPE_INNER);
}

}  // namespace levada::scoring
