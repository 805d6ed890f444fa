#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "levada/v1/options.pb.h"

// What options.proto says of the schema's messages, fields and enum values, as the reader, the
// writer, the checks and the reference page see it.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

const v1::FieldRules& RulesOf(const google::protobuf::FieldDescriptor& field);
const v1::MessageRules& RulesOf(const google::protobuf::Descriptor& message);

// As in YAML: `deadLetters`.
std::string KeyOf(const google::protobuf::FieldDescriptor& field);
// Keys of a message, in the schema's order.
std::vector<std::string> KeysOf(const google::protobuf::Descriptor& message);
const google::protobuf::FieldDescriptor* FindKey(const google::protobuf::Descriptor& message,
                                                 std::string_view key);

// As in YAML: `exactlyOnce`, or the value's yaml_name.
std::string YamlName(const google::protobuf::EnumValueDescriptor& value);
// Names of an enum's values, without the one that stands for none.
std::vector<std::string> YamlNames(const google::protobuf::EnumDescriptor& type);
const google::protobuf::EnumValueDescriptor* FindValue(const google::protobuf::EnumDescriptor& type,
                                                       std::string_view name);

// Puts in what options.proto says of absent fields, in `message` and all that it has.
void FillDefaults(google::protobuf::Message* message);

// Bounds, with the defaults of options.proto.
size_t MaxLength(const v1::FieldRules& rules);
size_t MaxItems(const v1::FieldRules& rules);

// "spec" + "topics" → "spec.topics"; a map's key that is no name is quoted: a["x.y"].
std::string Join(std::string_view path, std::string_view key);
std::string Join(std::string_view path, size_t index);

// "did you mean `x`?", or `otherwise` where nothing is near.
std::string NearestHint(std::string_view name, const std::vector<std::string>& names,
                        std::string_view otherwise = "");
// "`a`, `b` or `c`"
std::string OneOf(const std::vector<std::string>& names);

}  // namespace levada::pipeline
