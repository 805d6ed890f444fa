#include <set>

#include "core/aggregate/aggregate_set.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/pipeline/expression_check.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/schema.h"

// The steps of scoring stages.
namespace levada::pipeline {
namespace {

// Milliseconds; 0 for what is no duration, which the reader has told of.
int64_t Ms(const std::string& duration) {
  const auto ms = base::ParseDuration(duration);
  return ms.ok() ? ms->count() : 0;
}

}  // namespace

void ExpressionCheck::Step(const v1::Step& step, const std::string& path) {
  if (step.has_filter()) Expression(path + ".filter", step.filter(), kCondition);
  Set(step, path + ".set");
  Drop(step, path + ".drop");
  Select(step, path + ".select");
  if (step.has_model()) Model(step.model(), path + ".model");
  if (step.has_rules()) Rules(step.rules(), path + ".rules");
  if (step.has_join()) Join(step.join(), path + ".join");
  if (step.has_lookup()) Expression(path + ".lookup.by", step.lookup().by());
  if (step.has_dedup()) All(path + ".dedup.by", step.dedup().by());
  if (step.has_explode()) {
    Expression(path + ".explode.list", step.explode().list(), {expr::Kind::kList});
  }
  if (step.has_features()) Features(step.features(), path + ".features");
  if (step.has_window()) Window(step.window(), path + ".window");
  if (step.has_anomaly()) Anomaly(step.anomaly(), path + ".anomaly");
  DeclareStep(step, &env_);
  if (step.has_window()) from_ = nullptr;
}

// All expressions see the event as it entered the step.
void ExpressionCheck::Set(const v1::Step& step, const std::string& path) {
  for (int i = 0; i < step.set_size(); ++i) {
    Expression(pipeline::Join(path, i) + ".value", step.set(i).value());
  }
}

void ExpressionCheck::Drop(const v1::Step& step, const std::string& path) {
  for (int i = 0; i < step.drop_size(); ++i) Mention(pipeline::Join(path, i), step.drop(i));
}

void ExpressionCheck::Select(const v1::Step& step, const std::string& path) {
  for (int i = 0; i < step.select_size(); ++i) Mention(pipeline::Join(path, i), step.select(i));
}

void ExpressionCheck::Model(const v1::Model& model, const std::string& path) {
  for (int i = 0; i < model.inputs_size(); ++i) {
    Number(pipeline::Join(path + ".inputs", i), model.inputs(i));
  }
  const std::string as = model.as().empty() ? "score" : model.as();
  if (model.version_as() == as) {
    context_.Error(path + ".versionAs", base::StrCat("the score is in ", Quote(as), " already"));
  }
}

void ExpressionCheck::Rules(const v1::Rules& rules, const std::string& path) {
  for (int i = 0; i < rules.rules_size(); ++i) {
    Expression(pipeline::Join(path + ".rules", i) + ".when", rules.rules(i).when(), kCondition);
  }
  const std::string as = rules.as().empty() ? "outcome" : rules.as();
  if (rules.rules_as() == as) {
    context_.Error(path + ".rulesAs", base::StrCat("the outcome is in ", Quote(as), " already"));
  }
}

void ExpressionCheck::Join(const v1::Join& join, const std::string& path) {
  Expression(path + ".by", join.by());
  const v1::Topic* table = context_.Topic(join.table());
  if (table != nullptr && !table->compacted()) {
    context_.Error(path + ".table", base::StrCat("the topic ", Quote(join.table()),
                                                 " is no table: it is not `compacted`"));
  }
}

template <typename Message>
void ExpressionCheck::Aggregate(const Message& aggregate, bool sliding, const std::string& path) {
  const aggregate::Call call{aggregate.value(), aggregate.where()};
  const auto use = sliding ? aggregate::Use::kSliding : aggregate::Use::kWindow;
  std::vector<aggregate::CallProblem> problems;
  (void)aggregate::AggregateSet::Compile({&call, 1}, use, &env_, &problems);
  for (const aggregate::CallProblem& problem : problems) {
    const std::string at = path + (problem.in_where ? ".where" : ".value");
    if (!context_.source.Broken(at)) {
      Tell(context_, at, problem.in_where ? call.where : call.value, {problem.problem});
    }
  }
}

void ExpressionCheck::Features(const v1::Features& features, const std::string& path) {
  All(path + ".by", features.by());
  std::set<std::string> names;
  for (int i = 0; i < features.set_size(); ++i) {
    const std::string at = pipeline::Join(path + ".set", i);
    Aggregate(features.set(i), /*sliding=*/true, at);
    for (const std::string& span : features.over()) {
      const std::string name = FeatureName(features.set(i), span);
      if (names.insert(name).second || name == features.set(i).name()) continue;
      context_.Error(at + ".name", base::StrCat("a second feature ", Quote(name)));
    }
  }
}

void ExpressionCheck::Window(const v1::Window& window, const std::string& path) {
  for (int i = 0; i < window.by_size(); ++i) {
    Mention(pipeline::Join(path + ".by", i), window.by(i));
  }
  if ((window.set_size() > 0) == (window.metrics_size() > 0)) {
    context_.Error(path, "exactly one of `set` and `metrics` is to be given");
  }
  for (int i = 0; i < window.set_size(); ++i) {
    Aggregate(window.set(i), /*sliding=*/false, pipeline::Join(path + ".set", i));
  }
  for (int i = 0; i < window.metrics_size(); ++i) {
    Aggregate(window.metrics(i), /*sliding=*/false, pipeline::Join(path + ".metrics", i));
  }
  if (window.has_hopping() && Ms(window.hopping().every()) > Ms(window.hopping().size())) {
    context_.Error(path + ".hopping.every",
                   "windows that begin less often than they are long would leave events out");
  }
  const v1::Topic* late = context_.Topic(window.late_to());
  if (late != nullptr) CheckOutputTopic(context_, path + ".lateTo", from_, env_, *late);
}

void ExpressionCheck::Anomaly(const v1::Anomaly& anomaly, const std::string& path) {
  All(path + ".by", anomaly.by());
  for (int i = 0; i < anomaly.values_size(); ++i) {
    Number(pipeline::Join(path + ".values", i), anomaly.values(i));
  }
}

}  // namespace levada::pipeline
