#include "core/base/strings.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/expression_check.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/schema.h"

namespace levada::pipeline {
namespace {

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
    if (to != nullptr) CheckOutputTopic(context, at, check.from(), check.env(), *to);
  };
  output(path + ".to", scoring.to());
  for (int i = 0; i < scoring.outputs_size(); ++i) {
    const std::string at = Join(path + ".outputs", i);
    check.Expression(at + ".when", scoring.outputs(i).when(), kCondition);
    for (int k = 0; k < scoring.outputs(i).key_by_size(); ++k) {
      check.Expression(Join(at + ".keyBy", k), scoring.outputs(i).key_by(k));
    }
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
