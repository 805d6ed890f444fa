#include "core/pipeline/schema.h"

#include <set>
#include <string_view>
#include <utility>

#include "core/aggregate/aggregate_set.h"
#include "core/base/strings.h"
#include "core/expr/program.h"

namespace levada::pipeline {

expr::FieldType ToExprType(v1::FieldType type) {
  switch (type) {
    case v1::FIELD_TYPE_BOOLEAN:
      return expr::FieldType::kBoolean;
    case v1::FIELD_TYPE_INT:
      return expr::FieldType::kInt;
    case v1::FIELD_TYPE_LONG:
      return expr::FieldType::kLong;
    case v1::FIELD_TYPE_FLOAT:
      return expr::FieldType::kFloat;
    case v1::FIELD_TYPE_DOUBLE:
      return expr::FieldType::kDouble;
    case v1::FIELD_TYPE_DATE:
      return expr::FieldType::kDate;
    case v1::FIELD_TYPE_TIMESTAMP:
      return expr::FieldType::kTimestamp;
    case v1::FIELD_TYPE_STRING:
      return expr::FieldType::kString;
    case v1::FIELD_TYPE_LIST:
      return expr::FieldType::kList;
    case v1::FIELD_TYPE_STRUCT:
      return expr::FieldType::kStruct;
    default:
      return expr::FieldType::kDyn;
  }
}

v1::FieldType ToFieldType(expr::Type type) {
  switch (type.kind) {
    case expr::Kind::kBool:
      return v1::FIELD_TYPE_BOOLEAN;
    case expr::Kind::kInt:
    case expr::Kind::kUint:
      return v1::FIELD_TYPE_LONG;
    case expr::Kind::kDouble:
      return v1::FIELD_TYPE_DOUBLE;
    case expr::Kind::kString:
      return v1::FIELD_TYPE_STRING;
    case expr::Kind::kTimestamp:
      return v1::FIELD_TYPE_TIMESTAMP;
    case expr::Kind::kList:
      return v1::FIELD_TYPE_LIST;
    case expr::Kind::kMap:
      return v1::FIELD_TYPE_STRUCT;
    default:
      return v1::FIELD_TYPE_UNSPECIFIED;
  }
}

expr::Env EnvOf(const v1::Topic* topic) {
  expr::Env env;
  if (topic == nullptr) return env;
  for (const v1::Field& field : topic->fields()) {
    env.DeclareField(field.name(), ToExprType(field.type()));
  }
  env.set_closed(topic->closed());
  return env;
}

KnownFields FieldsAt(const expr::Env& env, const v1::Topic* topic) {
  using Source = expr::Env::Name::Source;
  KnownFields known;
  std::set<std::string> seen;
  const auto add = [&](const std::string& name, bool declared) {
    if (!seen.insert(name).second) return;
    const expr::Env::Name found = env.Find(name);
    if (found.source == Source::kRemoved) return;
    const bool field = found.source == Source::kField;
    known.fields.push_back(
        {name, field ? expr::TypeOf(found.field_type) : found.type, declared && field});
  };
  if (topic != nullptr) {
    for (const v1::Field& field : topic->fields()) add(field.name(), true);
  }
  const expr::Env::Overlay overlay = env.overlay();
  for (const auto& [name, slot] : overlay.slots) add(name, false);
  for (const std::string& name : overlay.kept) add(name, false);
  known.complete = env.closed() || overlay.keep_only;
  return known;
}

namespace {

std::string Or(const std::string& name, std::string_view otherwise) {
  return name.empty() ? std::string(otherwise) : name;
}

void DeclareSet(const v1::Step& step, expr::Env* env) {
  std::vector<expr::Type> types;
  for (const v1::Assignment& set : step.set()) {
    const auto program = expr::Compile(set.value(), env);
    types.push_back(program.ok() ? program->type() : expr::Type::Dyn());
  }
  for (int i = 0; i < step.set_size(); ++i) env->DeclareSlot(step.set(i).name(), types[i]);
}

void DeclareAnomaly(const v1::Anomaly& anomaly, expr::Env* env) {
  const std::string as = Or(anomaly.as(), "anomaly");
  for (const char* name : {"_score", "_grade", "_confidence"}) {
    env->DeclareSlot(as + name, AnomalyNumberType());
  }
  for (const char* name : {"_expected", "_attribution"}) {
    env->DeclareSlot(as + name, AnomalyNumbersType());
  }
}

void DeclareWindow(const v1::Window& window, expr::Env* env) {
  std::vector<std::pair<std::string, expr::Type>> fields;
  for (const std::string& name : window.by()) fields.emplace_back(name, env->Find(name).type);
  for (const v1::Aggregate& aggregate : window.set()) {
    fields.emplace_back(aggregate.name(), AggregateType(aggregate.value(), env));
  }
  *env = expr::Env();
  env->set_closed(true);
  for (const auto& [name, type] : fields) env->DeclareSlot(name, type);
  env->DeclareSlot(Or(window.start_as(), "window_start"), WindowTimeType());
  env->DeclareSlot(Or(window.end_as(), "window_end"), WindowTimeType());
  if (window.metrics_size() == 0) return;
  env->DeclareSlot("metric", {expr::Kind::kString});
  env->DeclareSlot("value", expr::Type::Dyn());
  env->DeclareSlot("unit", expr::Type::Dyn());
}

}  // namespace

std::string FeatureName(const v1::Aggregate& feature, std::string_view span) {
  if (feature.value().starts_with("time_since_last(")) return feature.name();
  return base::StrCat(feature.name(), "_", span);
}

expr::Type AggregateType(const std::string& value, expr::Env* env) {
  const aggregate::Call call{value, ""};
  const auto set = aggregate::AggregateSet::Compile({&call, 1}, aggregate::Use::kSliding, env);
  return set.ok() ? set->type(0) : expr::Type::Dyn();
}

void DeclareStep(const v1::Step& step, expr::Env* env) {
  DeclareSet(step, env);
  for (const std::string& name : step.drop()) env->Remove(name);
  if (step.select_size() > 0) {
    const std::vector<std::string> names(step.select().begin(), step.select().end());
    env->KeepOnly(names);
  }
  if (step.has_model()) {
    const std::string as = Or(step.model().as(), "score");
    env->DeclareSlot(as, ModelScoreType());
    env->DeclareSlot(Or(step.model().version_as(), as + "_model"), ModelVersionType());
  }
  if (step.has_rules()) {
    const std::string as = Or(step.rules().as(), "outcome");
    env->DeclareSlot(as, RulesOutcomeType());
    env->DeclareSlot(Or(step.rules().rules_as(), as + "_rules"), RulesNamesType());
  }
  if (step.has_join()) env->DeclareSlot(step.join().as(), JoinedType());
  if (step.has_lookup()) env->DeclareSlot(step.lookup().as(), JoinedType());
  if (step.has_explode()) {
    env->DeclareSlot(step.explode().as(), expr::Type::Dyn());
    if (!step.explode().index_as().empty()) {
      env->DeclareSlot(step.explode().index_as(), {expr::Kind::kInt});
    }
  }
  for (const v1::Aggregate& feature : step.features().set()) {
    const expr::Type type = AggregateType(feature.value(), env);
    for (const std::string& span : step.features().over()) {
      env->DeclareSlot(FeatureName(feature, span), type);
    }
  }
  if (step.has_window()) DeclareWindow(step.window(), env);
  if (step.has_anomaly()) DeclareAnomaly(step.anomaly(), env);
}

}  // namespace levada::pipeline
