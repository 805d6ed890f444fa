#include "core/pipeline/schema.h"

#include <set>

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

}  // namespace levada::pipeline
