#include "core/base/strings.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

// One event for each element of a list.
class Explode : public Step {
 public:
  Explode(expr::Program list, int slot, int index_slot)
      : list_(std::move(list)), slot_(slot), index_slot_(index_slot) {}

  std::string_view kind() const override { return "explode"; }

  Verdict Apply(Event& event) override {
    const expr::Value list = list_.Eval(event.activation);
    if (list.is(expr::Kind::kNull) || list.is(expr::Kind::kNone)) {
      event.fan = 0;
      return Verdict::kFan;
    }
    if (!list.is(expr::Kind::kList)) {
      error_ = base::StrCat(
          "`", list_.source(), "`: ",
          list.ok() ? base::StrCat("a list is expected, not ", expr::KindName(list.kind()))
                    : std::string(list.text()));
      event.error = error_;
      return Verdict::kFail;
    }
    elements_.clear();
    if (list.store() == expr::Value::Store::kArray) {
      elements_.assign(list.items(), list.items() + list.count());
    } else {
      json::ForEachElement(list.json(), [&](const json::Value& element) {
        elements_.push_back(
            expr::FromJson(element, expr::FieldType::kDyn, &event.activation.arena()));
        return true;
      });
    }
    event.fan = elements_.size();
    return Verdict::kFan;
  }

  void Fan(Event& event, size_t k) override {
    event.activation.Set(slot_, elements_[k]);
    if (index_slot_ >= 0) {
      event.activation.Set(index_slot_, expr::Value::Int(static_cast<int64_t>(k)));
    }
  }

 private:
  expr::Program list_;
  const int slot_;
  const int index_slot_;
  std::vector<expr::Value> elements_;
  std::string error_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeExplode(const StepContext& context) {
  const v1::Explode& config = context.step.explode();
  auto list = CompileFor(context, "explode", config.list(), {expr::Kind::kList});
  if (!list.ok()) return list.status();
  const int slot = context.env.DeclareSlot(config.as(), expr::Type::Dyn());
  const int index = config.index_as().empty()
                        ? -1
                        : context.env.DeclareSlot(config.index_as(), {expr::Kind::kInt});
  return std::make_unique<Explode>(*std::move(list), slot, index);
}

}  // namespace levada::scoring
