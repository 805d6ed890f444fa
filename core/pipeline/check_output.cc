#include <algorithm>

#include "core/base/strings.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/schema.h"

namespace levada::pipeline {
namespace {

// Can JSON of a value of the type `is` be read as `wanted`?
bool Fits(expr::Type is, v1::FieldType wanted) {
  using expr::Kind;
  if (is.dyn()) return true;
  const auto any = [&](std::initializer_list<Kind> kinds) {
    return std::find(kinds.begin(), kinds.end(), is.kind) != kinds.end();
  };
  switch (wanted) {
    case v1::FIELD_TYPE_BOOLEAN:
      return any({Kind::kBool});
    case v1::FIELD_TYPE_INT:
    case v1::FIELD_TYPE_LONG:
      return any({Kind::kInt, Kind::kUint});
    case v1::FIELD_TYPE_FLOAT:
    case v1::FIELD_TYPE_DOUBLE:
      return any({Kind::kInt, Kind::kUint, Kind::kDouble});
    case v1::FIELD_TYPE_DATE:
      return any({Kind::kString, Kind::kTimestamp});
    case v1::FIELD_TYPE_TIMESTAMP:
      return any({Kind::kString, Kind::kTimestamp, Kind::kInt, Kind::kUint, Kind::kDouble});
    case v1::FIELD_TYPE_STRING:
      return !any({Kind::kNull, Kind::kBool, Kind::kInt, Kind::kUint, Kind::kDouble, Kind::kList,
                   Kind::kMap});
    case v1::FIELD_TYPE_LIST:
      return any({Kind::kList});
    case v1::FIELD_TYPE_STRUCT:
      return any({Kind::kMap});
    default:
      return true;
  }
}

std::string TypeName(v1::FieldType type) {
  return YamlName(*v1::FieldType_descriptor()->FindValueByNumber(type));
}

}  // namespace

void CheckOutputTopic(const CheckContext& context, const std::string& path, const v1::Topic* from,
                      const expr::Env& env, const v1::Topic& to) {
  const KnownFields known = FieldsAt(env, from);
  const auto find = [&](const std::string& name) -> const KnownFields::Field* {
    for (const KnownFields::Field& field : known.fields) {
      if (field.name == name) return &field;
    }
    return nullptr;
  };
  // Certain to be absent: nothing else can be there, or a step took it away.
  const auto absent = [&](const std::string& name) {
    return find(name) == nullptr &&
           (known.complete || env.Find(name).source == expr::Env::Name::Source::kRemoved);
  };
  const std::string topic = base::StrCat("the topic ", Quote(to.name()));
  for (const v1::Field& field : to.fields()) {
    if (field.required() && absent(field.name())) {
      context.Error(path, base::StrCat(topic, " requires the field ", Quote(field.name()),
                                       ", which the results do not have"));
    }
    const KnownFields::Field* is = find(field.name());
    if (is == nullptr || Fits(is->type, field.type())) continue;
    context.Error(
        path, base::StrCat(topic, " declares ", Quote(field.name()), " as ", TypeName(field.type()),
                           ", the results have it as ", is->type.ToString()));
  }
  if (!to.key().empty() && absent(to.key())) {
    context.Error(path, base::StrCat(topic, " has ", Quote(to.key()),
                                     " as its key, which the results do not have"));
  }
  if (!to.timestamp().empty() && absent(to.timestamp())) {
    context.Error(path, base::StrCat(topic, " has ", Quote(to.timestamp()),
                                     " as its time, which the results do not have"));
  }
  if (!to.closed() || to.fields_size() == 0) return;
  const std::vector<std::string> declared = FieldNames(to);
  for (const KnownFields::Field& field : known.fields) {
    if (std::find(declared.begin(), declared.end(), field.name) != declared.end()) continue;
    context.Error(path,
                  base::StrCat(topic, " is closed and has no field ", Quote(field.name),
                               ", which the results have"),
                  NearestHint(field.name, declared));
  }
}

}  // namespace levada::pipeline
