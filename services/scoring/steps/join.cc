#include "core/pipeline/schema.h"
#include "services/scoring/keys.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

// Adds the row that a table has for a key of the event.
class Join : public Step {
 public:
  Join(KeyMaker by, const Tables& tables, size_t table, int slot, bool inner)
      : by_(std::move(by)), tables_(tables), table_(table), slot_(slot), inner_(inner) {}

  std::string_view kind() const override { return "join"; }

  Verdict Apply(Event& event) override {
    const expr::Value value = by_.programs()[0].Eval(event.activation);
    std::optional<std::string_view> row;
    if (!value.is(expr::Kind::kNull) && !value.is(expr::Kind::kNone)) {
      std::string_view key;
      if (!by_.Key(event.activation, &key)) {
        event.error = key;
        return Verdict::kFail;
      }
      row = tables_.Find(table_, key);
    }
    if (!row && inner_) return Verdict::kDrop;
    event.activation.Set(slot_, row ? expr::Value::JsonMap(*row) : expr::Value::Null());
    return Verdict::kKeep;
  }

 private:
  KeyMaker by_;
  const Tables& tables_;
  const size_t table_;
  const int slot_;
  const bool inner_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeJoin(const StepContext& context) {
  const v1::Join& config = context.step.join();
  google::protobuf::RepeatedPtrField<std::string> by;
  *by.Add() = config.by();
  auto key = KeyMaker::Make(&context.env, "join by", by);
  if (!key.ok()) return key.status();
  const size_t table = context.tables.Add(config.table());
  const int slot = context.env.DeclareSlot(config.as(), pipeline::JoinedType());
  return std::make_unique<Join>(*std::move(key), context.tables, table, slot,
                                config.type() == v1::JOIN_TYPE_INNER);
}

}  // namespace levada::scoring
