#include "core/pipeline/crdgen/schema.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_join.h"
#include "core/base/strings.h"
#include "core/pipeline/crdgen/crd.h"
#include "core/pipeline/docgen/described.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"

namespace levada::pipeline {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using Names = google::protobuf::RepeatedPtrField<std::string>;

std::vector<std::string> Keys(const Descriptor& message, const Names& names) {
  std::vector<std::string> keys;
  for (const std::string& name : names) keys.push_back(KeyOf(*message.FindFieldByName(name)));
  return keys;
}

bool Contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What a field's schema cannot say, or not so that a person would read it.
std::string Description(const FieldDescriptor& field) {
  std::string text = Comment(field);
  const auto add = [&](std::string_view sentence) { base::StrAppend(&text, " ", sentence); };
  if (text.empty() && field.message_type() != nullptr) text = Comment(*field.message_type());
  const v1::FieldRules& rules = RulesOf(field);
  const bool counted = rules.format() == v1::DURATION || rules.format() == v1::BYTES;
  if (counted && (rules.has_min() || rules.has_max())) {
    if (rules.has_min()) add("At least " + FormatBound(rules, rules.min()) + ".");
    if (rules.has_max()) add("At most " + FormatBound(rules, rules.max()) + ".");
  }
  if (rules.format() != v1::PLAIN && rules.format() != v1::EXPRESSION) {
    add(base::StrCat("Expected: ", FormatName(rules.format()), "."));
  }
  if (const EnumDescriptor* type = field.enum_type(); type != nullptr) {
    std::vector<std::string> values;
    for (int i = 1; i < type->value_count(); ++i) {
      const std::string meaning = ValueComment(*type->value(i));
      if (!meaning.empty()) values.push_back(YamlName(*type->value(i)) + ": " + meaning);
    }
    if (!values.empty()) add(absl::StrJoin(values, "; ") + ".");
  }
  const std::string& otherwise = rules.default_value();
  if (!otherwise.empty() && otherwise != "{}") add("Default: " + otherwise + ".");
  return text;
}

CrdJson TextSchema(const v1::FieldRules& rules, bool must_have_text) {
  CrdJson schema = {{"type", "string"}};
  if (rules.format() == v1::QUANTITY) {
    schema = {{"anyOf", CrdJson::array({{{"type", "integer"}}, {{"type", "string"}}})},
              {"x-kubernetes-int-or-string", true}};
  }
  if (rules.format() == v1::TIME) schema["format"] = "date-time";
  const bool text = rules.format() != v1::PLAIN && rules.format() != v1::LABEL_VALUE;
  if (must_have_text || text) schema["minLength"] = 1;
  schema["maxLength"] = MaxLength(rules);
  const std::string_view pattern = PatternOf(rules.format());
  if (!pattern.empty()) schema["pattern"] = pattern;
  return schema;
}

CrdJson NumberSchema(const FieldDescriptor& field) {
  const v1::FieldRules& rules = RulesOf(field);
  const auto bound = [](double value) {
    const auto whole = static_cast<int64_t>(value);
    return static_cast<double>(whole) == value ? CrdJson(whole) : CrdJson(value);
  };
  CrdJson schema = {{"type", "number"}};
  double least = 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      if (rules.has_min()) schema["minimum"] = bound(rules.min());
      if (rules.has_max()) schema["maximum"] = bound(rules.max());
      return schema;
    case FieldDescriptor::CPPTYPE_INT32:
      return {{"type", "integer"}, {"format", "int32"}};
    case FieldDescriptor::CPPTYPE_INT64:
      return {{"type", "integer"}, {"format", "int64"}};
    default:
      break;
  }
  if (rules.has_min()) least = rules.min();
  schema = {{"type", "integer"}, {"format", "int64"}, {"minimum", bound(least)}};
  if (rules.has_max()) {
    schema["maximum"] = bound(rules.max());
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
    schema["maximum"] = std::numeric_limits<uint32_t>::max();
  }
  return schema;
}

// Of a value of the field, or of one element of it.
CrdJson ValueSchema(const FieldDescriptor& field) {
  if (IsFreeForm(field)) {
    return {{"type", "object"},
            {"x-kubernetes-map-type", "atomic"},
            {"x-kubernetes-preserve-unknown-fields", true}};
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SchemaOf(*field.message_type());
    case FieldDescriptor::CPPTYPE_STRING:
      return TextSchema(RulesOf(field), RulesOf(field).required());
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_ENUM: {
      CrdJson schema = {{"type", "string"}, {"enum", CrdJson::array()}};
      for (const std::string& name : YamlNames(*field.enum_type())) schema["enum"].push_back(name);
      return schema;
    }
    default:
      return NumberSchema(field);
  }
}

CrdJson ListSchema(const FieldDescriptor& field, bool must_have_elements) {
  const v1::FieldRules& rules = RulesOf(field);
  CrdJson schema = {{"type", "array"}};
  if (must_have_elements) schema["minItems"] = 1;
  schema["maxItems"] = MaxItems(rules);
  if (!rules.list_key().empty()) {
    schema["x-kubernetes-list-type"] = "map";
    schema["x-kubernetes-list-map-keys"] = CrdJson::array({rules.list_key()});
  } else {
    schema["x-kubernetes-list-type"] = rules.is_set() ? "set" : "atomic";
  }
  schema["items"] = ValueSchema(field);
  return schema;
}

CrdJson MapSchema(const FieldDescriptor& field) {
  const FieldDescriptor& value = *field.message_type()->map_value();
  return {
      {"type", "object"},
      {"maxProperties", MaxItems(RulesOf(field))},
      {"additionalProperties",
       value.message_type() != nullptr ? ValueSchema(value) : TextSchema(RulesOf(field), false)}};
}

CrdJson FieldSchema(const FieldDescriptor& field) {
  const v1::MessageRules& siblings = RulesOf(*field.containing_type());
  const bool counts = RulesOf(field).required() || Contains(siblings.exactly_one(), field.name()) ||
                      Contains(siblings.at_least_one(), field.name());
  CrdJson schema = {{"description", Description(field)}};
  schema.update(field.is_map()        ? MapSchema(field)
                : field.is_repeated() ? ListSchema(field, counts)
                                      : ValueSchema(field));
  schema["description"] = Description(field);
  return schema;
}

// How many of the fields `names` are given, as a rule of the CRD.
CrdJson CountRule(const Descriptor& message, const Names& names, std::string_view compare,
                  std::string_view expected) {
  std::vector<std::string> given;
  const std::vector<std::string> keys = Keys(message, names);
  for (const std::string& key : keys) given.push_back("has(self." + key + ")");
  return {{"rule", base::StrCat("[", absl::StrJoin(given, ", "), "].filter(given, given).size() ",
                                compare, " 1")},
          {"message", base::StrCat("expected ", expected, " one of ", OneOf(keys))}};
}

CrdJson RulesFor(const Descriptor& message) {
  const v1::MessageRules& rules = RulesOf(message);
  CrdJson out = CrdJson::array();
  const auto count = [&](const Names& names, std::string_view compare, std::string_view expected) {
    if (!names.empty()) out.push_back(CountRule(message, names, compare, expected));
  };
  count(rules.exactly_one(), "==", "exactly");
  count(rules.at_least_one(), ">=", "at least");
  count(rules.at_most_one(), "<=", "at most");
  for (const v1::Validation& validation : rules.validations()) {
    out.push_back({{"rule", validation.rule()}, {"message", validation.message()}});
  }
  return out;
}

}  // namespace

CrdJson SchemaOf(const Descriptor& message) {
  CrdJson schema = {{"description", Comment(message)}, {"type", "object"}};
  CrdJson required = CrdJson::array();
  CrdJson properties = CrdJson::object();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    properties[KeyOf(field)] = FieldSchema(field);
    if (RulesOf(field).required()) required.push_back(KeyOf(field));
  }
  if (!required.empty()) schema["required"] = std::move(required);
  schema["properties"] = std::move(properties);
  CrdJson rules = RulesFor(message);
  if (!rules.empty()) schema["x-kubernetes-validations"] = std::move(rules);
  return schema;
}

}  // namespace levada::pipeline
