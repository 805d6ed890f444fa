#include "core/pipeline/rules.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "core/json/write.h"

namespace levada::pipeline {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

// FRAUD_RULES → fraudRules
std::string LowerCamel(std::string_view upper_snake) {
  std::string out;
  bool capital = false;
  for (const char c : upper_snake) {
    if (c == '_') {
      capital = true;
      continue;
    }
    out.push_back(capital ? c : absl::ascii_tolower(c));
    capital = false;
  }
  return out;
}

// RULES_MODE_FIRST_MATCHED of RulesMode → FIRST_MATCHED. The value that stands for none carries
// the prefix of all.
std::string_view WithoutPrefix(const EnumValueDescriptor& value) {
  static constexpr std::string_view kNone = "UNSPECIFIED";
  const std::string& none = value.type()->value(0)->name();
  const std::string_view name = value.name();
  if (!std::string_view(none).ends_with(kNone)) return name;
  const std::string_view prefix = std::string_view(none).substr(0, none.size() - kNone.size());
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

bool IsWord(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
}

}  // namespace

const v1::FieldRules& RulesOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::field);
}

const v1::MessageRules& RulesOf(const Descriptor& message) {
  return message.options().GetExtension(v1::message);
}

std::string KeyOf(const FieldDescriptor& field) { return field.json_name(); }

std::vector<std::string> KeysOf(const Descriptor& message) {
  std::vector<std::string> keys;
  for (int i = 0; i < message.field_count(); ++i) keys.push_back(KeyOf(*message.field(i)));
  return keys;
}

const FieldDescriptor* FindKey(const Descriptor& message, std::string_view key) {
  for (int i = 0; i < message.field_count(); ++i) {
    if (message.field(i)->json_name() == key) return message.field(i);
  }
  return nullptr;
}

std::string YamlName(const EnumValueDescriptor& value) {
  const std::string& name = value.options().GetExtension(v1::yaml_name);
  return name.empty() ? LowerCamel(WithoutPrefix(value)) : name;
}

std::vector<std::string> YamlNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(YamlName(*type.value(i)));
  }
  return names;
}

const EnumValueDescriptor* FindValue(const EnumDescriptor& type, std::string_view name) {
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0 && YamlName(*type.value(i)) == name) return type.value(i);
  }
  return nullptr;
}

size_t MaxLength(const v1::FieldRules& rules) {
  return rules.max_length() == 0 ? 1024 : rules.max_length();
}

size_t MaxItems(const v1::FieldRules& rules) {
  return rules.max_items() == 0 ? 64 : rules.max_items();
}

std::string Join(std::string_view path, std::string_view key) {
  if (path.empty()) return std::string(key);
  if (IsWord(key)) return base::StrCat(path, ".", key);
  std::string out = base::StrCat(path, "[");
  json::AppendString(key, &out);
  out.push_back(']');
  return out;
}

std::string Join(std::string_view path, size_t index) {
  return base::StrCat(path, "[", index, "]");
}

std::string NearestHint(std::string_view name, const std::vector<std::string>& names,
                        std::string_view otherwise) {
  const std::string_view nearest = base::Nearest(name, names);
  return nearest.empty() ? std::string(otherwise) : base::StrCat("did you mean `", nearest, "`?");
}

std::string OneOf(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
    base::StrAppend(&out, "`", names[i], "`");
  }
  return out;
}

}  // namespace levada::pipeline
