#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/expr/env.h"
#include "core/expr/type.h"
#include "levada/v1/pipeline.pb.h"

// What is known of the events of a topic, as the Env of the expressions over them. The checks and
// the services both build it here, so that what was checked is what runs.
//
//   expr::Env env = EnvOf(FindTopic(pipeline, scoring.from()));
//   auto when = expr::Compile(step.filter(), &env, {expr::Kind::kBool});
//   int score = env.DeclareSlot(model.as(), ModelScoreType());
//
// A scoring stage goes through its steps in order: it compiles the step's expressions, then
// declares what the step adds (a slot of the type named here, or of the expression's own type for
// `set`) or takes away (Env::Remove, Env::KeepOnly).
//
// Thread-safety: plain functions.
namespace levada::pipeline {

// FIELD_TYPE_LONG → kLong; kDyn where there is none.
expr::FieldType ToExprType(v1::FieldType type);

// The declared type that JSON of the type reads back as; unspecified where none does.
v1::FieldType ToFieldType(expr::Type type);

// Env of the expressions over the events of `topic`; of any event where it is null.
expr::Env EnvOf(const v1::Topic* topic);

// Goes on with the Env behind a step whose expressions were checked: what it adds and takes away.
// A window begins an Env of its own.
void DeclareStep(const v1::Step& step, expr::Env* env);

// `<name>_<span>`, or its name alone where the span makes no difference.
std::string FeatureName(const v1::Aggregate& feature, std::string_view span);
// The type of an aggregate over the events of `env`; dyn where it is not known.
expr::Type AggregateType(const std::string& value, expr::Env* env);

// Types of the fields that steps add.
inline expr::Type ModelScoreType() { return {expr::Kind::kDouble}; }
inline expr::Type ModelVersionType() { return {expr::Kind::kString}; }
// A string, or null where no rule holds.
inline expr::Type RulesOutcomeType() { return expr::Type::Dyn(); }
inline expr::Type RulesNamesType() {
  return {.kind = expr::Kind::kList, .element = expr::Kind::kString};
}
inline expr::Type JoinedType() { return expr::Type::Dyn(); }  // an object, or null
inline expr::Type WindowTimeType() { return {expr::Kind::kTimestamp}; }
inline expr::Type AnomalyNumberType() { return {expr::Kind::kDouble}; }
inline expr::Type AnomalyNumbersType() {
  return {.kind = expr::Kind::kList, .element = expr::Kind::kDouble};
}
// Microseconds.
inline expr::Type TookType() { return {expr::Kind::kInt}; }

// The fields that events are known to have at this point of a stage that reads `topic` (null:
// any), in order: those declared and not taken away, then those added.
struct KnownFields {
  struct Field {
    std::string name;
    expr::Type type;
    bool declared = false;  // by the topic; else set by a step or merely kept
  };
  std::vector<Field> fields;
  bool complete = false;  // there are no others
};
KnownFields FieldsAt(const expr::Env& env, const v1::Topic* topic);

}  // namespace levada::pipeline
