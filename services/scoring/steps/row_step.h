#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/strings.h"
#include "core/pipeline/schema.h"
#include "services/scoring/steps/steps.h"

// What `join` and `lookup` share: a key of the event, and the row that somewhere stands for it.
//
// Threads: one at a time.
namespace levada::scoring {

class RowStep : public Step {
 public:
  struct Settings {
    expr::Program by;
    int slot = -1;       // takes the row
    bool inner = false;  // events without a row end here
  };

  explicit RowStep(Settings settings) : settings_(std::move(settings)) {}

  Verdict Apply(Event& event) override {
    const expr::Value value = settings_.by.Eval(event.activation);
    if (!value.ok()) {
      text_ = base::StrCat("`", settings_.by.source(), "`: ", value.text());
      event.error = text_;
      return Verdict::kFail;
    }
    std::optional<std::string_view> row;
    if (value.is(expr::Kind::kString)) {
      row = Find(value.text());
    } else if (!value.is(expr::Kind::kNull) && !value.is(expr::Kind::kNone)) {
      text_.clear();
      if (expr::AppendText(value, &text_)) row = Find(text_);
    }
    if (!row && settings_.inner) return Verdict::kDrop;
    event.activation.Set(settings_.slot, row ? expr::Value::JsonMap(*row) : expr::Value::Null());
    return Verdict::kKeep;
  }

 protected:
  // A JSON object that stays where it is until the batch ends.
  virtual std::optional<std::string_view> Find(std::string_view key) = 0;

  // Of a Join or a Lookup. `what` is for errors.
  template <typename Config>
  static absl::StatusOr<Settings> Make(const StepContext& context, std::string_view what,
                                       const Config& config) {
    auto by = CompileFor(context, what, config.by(), expr::Type::Dyn());
    if (!by.ok()) return by.status();
    const int slot = context.env.DeclareSlot(config.as(), pipeline::JoinedType());
    return Settings{*std::move(by), slot, config.type() == v1::JOIN_TYPE_INNER};
  }

 private:
  Settings settings_;
  std::string text_;
};

}  // namespace levada::scoring
