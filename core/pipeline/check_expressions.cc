#include <optional>

#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/expr/program.h"
#include "core/expr/template.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/schema.h"

namespace levada::pipeline {
namespace {

constexpr expr::Type kCondition{expr::Kind::kBool};

// Byte offset of a line and column (in characters), both counted from 1.
size_t OffsetOf(std::string_view text, int line, int column) {
  size_t at = 0;
  for (; line > 1; --line) {
    const size_t end = text.find('\n', at);
    if (end == text.npos) return text.size();
    at = end + 1;
  }
  for (; column > 1 && at < text.size(); --column) {
    const int length = base::Utf8SequenceLength(text.data() + at, text.data() + text.size());
    at += length > 0 ? length : 1;
  }
  return std::min(at, text.size());
}

void Tell(const CheckContext& context, const std::string& path, const std::string& text,
          const std::vector<expr::Problem>& problems) {
  for (const expr::Problem& problem : problems) {
    context.problems->Add(context.source.Inside(
        path, text, OffsetOf(text, problem.line, problem.column), problem.message));
  }
}

// The expressions of one stage, in the order in which its worker compiles them.
class ExpressionCheck {
 public:
  ExpressionCheck(const CheckContext& context, const v1::Topic* from)
      : context_(context), from_(from), env_(EnvOf(from)) {}

  std::optional<expr::Type> Expression(const std::string& path, const std::string& text,
                                       expr::Type expected = expr::Type::Dyn()) {
    if (text.empty() || context_.source.Broken(path)) return std::nullopt;
    std::vector<expr::Problem> problems;
    const auto program = expr::Compile(text, &env_, expected, &problems);
    Tell(context_, path, text, problems);
    if (!program.ok()) return std::nullopt;
    return program->type();
  }

  void Template(const std::string& path, const std::string& text) {
    if (context_.source.Broken(path)) return;
    std::vector<expr::Problem> problems;
    (void)expr::Template::Compile(text, &env_, &problems);  // `problems` has all there is to know
    Tell(context_, path, text, problems);
  }

  void Step(const v1::Step& step, const std::string& path) {
    if (step.has_filter()) Expression(path + ".filter", step.filter(), kCondition);
    Set(step, path + ".set");
    Drop(step, path + ".drop");
    Select(step, path + ".select");
    if (step.has_model()) Model(step.model(), path + ".model");
    if (step.has_rules()) Rules(step.rules(), path + ".rules");
  }

  void Add(const std::string& name, expr::Type type) {
    if (!name.empty()) env_.DeclareSlot(name, type);
  }

  const expr::Env& env() const { return env_; }

 private:
  // A field that the step mentions is one that the event can have.
  void Mention(const std::string& path, const std::string& name) {
    if (name.empty() || context_.source.Broken(path)) return;
    const KnownFields known = FieldsAt(env_, from_);
    std::vector<std::string> names;
    for (const KnownFields::Field& field : known.fields) names.push_back(field.name);
    const bool found = std::find(names.begin(), names.end(), name) != names.end();
    const bool removed = env_.Find(name).source == expr::Env::Name::Source::kRemoved;
    if (found || (!known.complete && !removed)) return;
    context_.Error(path, base::StrCat("the event has no field ", Quote(name), " at this step"),
                   NearestHint(name, names));
  }

  // All expressions see the event as it entered the step.
  void Set(const v1::Step& step, const std::string& path) {
    std::vector<expr::Type> types;
    for (int i = 0; i < step.set_size(); ++i) {
      types.push_back(
          Expression(Join(path, i) + ".value", step.set(i).value()).value_or(expr::Type::Dyn()));
    }
    for (int i = 0; i < step.set_size(); ++i) Add(step.set(i).name(), types[i]);
  }

  void Drop(const v1::Step& step, const std::string& path) {
    for (int i = 0; i < step.drop_size(); ++i) Mention(Join(path, i), step.drop(i));
    for (const std::string& name : step.drop()) env_.Remove(name);
  }

  void Select(const v1::Step& step, const std::string& path) {
    if (step.select_size() == 0) return;
    for (int i = 0; i < step.select_size(); ++i) Mention(Join(path, i), step.select(i));
    const std::vector<std::string> names(step.select().begin(), step.select().end());
    env_.KeepOnly(names);
  }

  void Model(const v1::Model& model, const std::string& path) {
    for (int i = 0; i < model.inputs_size(); ++i) {
      const std::string input = Join(path + ".inputs", i);
      const auto type = Expression(input, model.inputs(i));
      if (!type.has_value() || type->dyn()) continue;
      const expr::Kind kind = type->kind;
      const bool number =
          kind == expr::Kind::kInt || kind == expr::Kind::kUint || kind == expr::Kind::kDouble;
      if (number || kind == expr::Kind::kBool) continue;
      context_.Error(input, base::StrCat("expected a number or a boolean (taken as 1 or 0), got ",
                                         type->ToString()));
    }
    const std::string as = model.as().empty() ? "score" : model.as();
    const std::string version = model.version_as().empty() ? as + "_model" : model.version_as();
    if (as == version) {
      context_.Error(path + ".versionAs", base::StrCat("the score is in ", Quote(as), " already"));
    }
    Add(as, ModelScoreType());
    Add(version, ModelVersionType());
  }

  void Rules(const v1::Rules& rules, const std::string& path) {
    for (int i = 0; i < rules.rules_size(); ++i) {
      Expression(Join(path + ".rules", i) + ".when", rules.rules(i).when(), kCondition);
    }
    const std::string as = rules.as().empty() ? "outcome" : rules.as();
    const std::string names = rules.rules_as().empty() ? as + "_rules" : rules.rules_as();
    if (as == names) {
      context_.Error(path + ".rulesAs", base::StrCat("the outcome is in ", Quote(as), " already"));
    }
    Add(as, RulesOutcomeType());
    Add(names, RulesNamesType());
  }

  const CheckContext& context_;
  const v1::Topic* from_;
  expr::Env env_;
};

void CheckScoring(const CheckContext& context, const v1::Scoring& scoring,
                  const std::string& path) {
  const v1::Topic* from = context.Topic(scoring.from());
  ExpressionCheck check(context, from);
  for (int i = 0; i < scoring.steps_size(); ++i) {
    check.Step(scoring.steps(i), Join(path + ".steps", i));
  }
  check.Add(scoring.took_as(), TookType());
  const auto output = [&](const std::string& at, const std::string& name) {
    const v1::Topic* to = context.Topic(name);
    if (to != nullptr) CheckOutputTopic(context, at, from, check.env(), *to);
  };
  output(path + ".to", scoring.to());
  for (int i = 0; i < scoring.outputs_size(); ++i) {
    const std::string at = Join(path + ".outputs", i);
    check.Expression(at + ".when", scoring.outputs(i).when(), kCondition);
    output(at + ".to", scoring.outputs(i).to());
  }
}

void CheckNotify(const CheckContext& context, const v1::Notify& notify, const std::string& path) {
  ExpressionCheck check(context, context.Topic(notify.from()));
  check.Expression(path + ".when", notify.when(), kCondition);
  check.Expression(path + ".group.by", notify.group().by());
  check.Template(path + ".email.subject", notify.email().subject());
  check.Template(path + ".email.body", notify.email().body());
  check.Template(path + ".webhook.subject", notify.webhook().subject());
  check.Template(path + ".webhook.body", notify.webhook().body());
}

}  // namespace

void CheckCondition(const CheckContext& context, const std::string& path, const std::string& text,
                    expr::Env* env) {
  if (text.empty() || context.source.Broken(path)) return;
  std::vector<expr::Problem> problems;
  (void)expr::Compile(text, env, kCondition, &problems);  // `problems` has all there is to know
  Tell(context, path, text, problems);
}

void CheckExpressions(const CheckContext& context) {
  for (int i = 0; i < context.pipeline.spec().stages_size(); ++i) {
    const v1::Stage& stage = context.pipeline.spec().stages(i);
    if (stage.has_scoring()) CheckScoring(context, stage.scoring(), StagePath(i) + ".scoring");
    if (stage.has_notify()) CheckNotify(context, stage.notify(), StagePath(i) + ".notify");
  }
}

}  // namespace levada::pipeline
