#include "core/base/strings.h"
#include "core/pipeline/schema.h"
#include "services/scoring/probe.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

// Ordered rules. The first that holds decides; with allMatched the others that hold are named too.
class Rules : public Step {
 public:
  struct Rule {
    std::string name;
    std::string outcome;
    expr::Program when;
    expr::Value alone;  // the list [name], made once
    expr::Value text;   // the name
    uint64_t held = 0;  // events
  };

  Rules(std::vector<Rule> rules, bool all, int outcome_slot, int names_slot, RulesProbe probe)
      : rules_(std::move(rules)),
        all_(all),
        outcome_slot_(outcome_slot),
        names_slot_(names_slot),
        probe_(std::move(probe)) {
    for (Rule& rule : rules_) {
      rule.text = expr::Value::String(rule.name);
      rule.alone = expr::Value::List(&rule.text, 1);
    }
  }

  std::string_view kind() const override { return "rules"; }
  void EndBatch() override { probe_.EndBatch(); }

  std::vector<runtime::StepReached::Rule> RulesReached() const override {
    std::vector<runtime::StepReached::Rule> reached;
    for (const Rule& rule : rules_) reached.push_back({rule.name, rule.held});
    return reached;
  }

  Verdict Apply(Event& event) override {
    const Rule* first = nullptr;
    expr::Value* names = nullptr;
    size_t matched = 0;
    for (Rule& rule : rules_) {
      const expr::Value value = rule.when.Eval(event.activation);
      if (!value.is(expr::Kind::kBool)) return Fail(event, rule, value);
      if (!value.boolean()) continue;
      ++rule.held;
      if (first == nullptr) first = &rule;
      if (!all_) break;
      if (names == nullptr) names = event.activation.arena().Array<expr::Value>(rules_.size());
      names[matched++] = rule.text;
    }
    if (first == nullptr) {
      probe_.Undecided();
      event.activation.Set(outcome_slot_, expr::Value::Null());
      event.activation.Set(names_slot_, expr::Value::List(nullptr, 0));
      return Verdict::kKeep;
    }
    probe_.Decided(first - rules_.data());
    event.activation.Set(outcome_slot_, expr::Value::String(first->outcome));
    event.activation.Set(names_slot_, all_ ? expr::Value::List(names, matched) : first->alone);
    return Verdict::kKeep;
  }

 private:
  Verdict Fail(Event& event, const Rule& rule, const expr::Value& value) {
    error_ = base::StrCat("rule ", rule.name, ": ",
                          value.ok() ? "the condition is neither true nor false" : value.text());
    event.error = error_;
    return Verdict::kFail;
  }

  std::vector<Rule> rules_;
  const bool all_;
  const int outcome_slot_;
  const int names_slot_;
  RulesProbe probe_;
  std::string error_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeRules(const StepContext& context) {
  const v1::Rules& config = context.step.rules();
  std::vector<Rules::Rule> rules;
  rules.reserve(config.rules_size());
  for (const v1::Rule& rule : config.rules()) {
    auto when =
        CompileFor(context, base::StrCat("rule ", rule.name()), rule.when(), {expr::Kind::kBool});
    if (!when.ok()) return when.status();
    rules.push_back({rule.name(), rule.outcome(), *std::move(when), {}, {}, 0});
  }
  const int outcome = context.env.DeclareSlot(config.as(), pipeline::RulesOutcomeType());
  const int names = context.env.DeclareSlot(config.rules_as(), pipeline::RulesNamesType());
  return std::make_unique<Rules>(
      std::move(rules), config.mode() == v1::RULES_MODE_ALL_MATCHED, outcome, names,
      RulesProbe(context.stage.registry, context.stage.Labels(), config));
}

}  // namespace levada::scoring
