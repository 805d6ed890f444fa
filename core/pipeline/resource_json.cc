#include "core/pipeline/resource_json.h"

#include <google/protobuf/struct.pb.h>

#include <nlohmann/json.hpp>

#include "core/base/strings.h"
#include "core/pipeline/free_form.h"
#include "core/pipeline/rules.h"

namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Struct;
using google::protobuf::Value;
using Json = nlohmann::json;

Json Write(const Message& message);

// The value of a field, or its element `i` where it is a list.
Json WriteValue(const Message& message, const FieldDescriptor& field, int i) {
  const Reflection& reflection = *message.GetReflection();
  const bool list = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Write(list ? reflection.GetRepeatedMessage(message, &field, i)
                        : reflection.GetMessage(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return list ? reflection.GetRepeatedString(message, &field, i)
                  : reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return YamlName(*reflection.GetEnum(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, &field);
    default:
      return reflection.GetUInt64(message, &field);
  }
}

Json WriteMap(const Message& message, const FieldDescriptor& field) {
  Json out = Json::object();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const std::string key =
        entry.GetReflection()->GetString(entry, field.message_type()->map_key());
    out[key] = WriteValue(entry, *field.message_type()->map_value(), 0);
  }
  return out;
}

Json Write(const Message& message) {
  if (const auto* free = dynamic_cast<const Struct*>(&message)) {
    return Json::parse(FreeFormToJson(*free));
  }
  Json out = Json::object();
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    Json& value = out[KeyOf(*field)];
    if (field->is_map()) {
      value = WriteMap(message, *field);
    } else if (field->is_repeated()) {
      const int size = message.GetReflection()->FieldSize(message, field);
      for (int i = 0; i < size; ++i) value.push_back(WriteValue(message, *field, i));
    } else {
      value = WriteValue(message, *field, 0);
    }
  }
  return out;
}

void ReadFree(const Json& json, Value* out);

void ReadFree(const Json& json, Struct* out) {
  for (const auto& [key, value] : json.items()) ReadFree(value, &(*out->mutable_fields())[key]);
}

void ReadFree(const Json& json, Value* out) {
  if (json.is_object()) return ReadFree(json, out->mutable_struct_value());
  if (json.is_string()) return out->set_string_value(json.get<std::string>());
  if (json.is_boolean()) return out->set_bool_value(json.get<bool>());
  if (json.is_number()) return out->set_number_value(json.get<double>());
  if (json.is_null()) return out->set_null_value(google::protobuf::NULL_VALUE);
  for (const Json& element : json) ReadFree(element, out->mutable_list_value()->add_values());
  out->mutable_list_value();
}

// Throws Json::exception where a value has another type.
void Read(const Json& json, Message* message);

void ReadValue(const Json& json, const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  const bool list = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Read(json, list ? reflection.AddMessage(message, &field)
                             : reflection.MutableMessage(message, &field));
    case FieldDescriptor::CPPTYPE_STRING: {
      // A quantity may stand as a whole number.
      std::string text = json.is_number_integer() ? json.dump() : json.get<std::string>();
      return list ? reflection.AddString(message, &field, std::move(text))
                  : reflection.SetString(message, &field, std::move(text));
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = FindValue(*field.enum_type(), json.get<std::string>());
      if (value != nullptr) reflection.SetEnum(message, &field, value);
      return;
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(message, &field, json.get<bool>());
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(message, &field, json.get<double>());
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(message, &field, json.get<int32_t>());
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(message, &field, json.get<int64_t>());
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(message, &field, json.get<uint32_t>());
    default:
      return reflection.SetUInt64(message, &field, json.get<uint64_t>());
  }
}

void ReadMap(const Json& json, const FieldDescriptor& field, Message* message) {
  for (const auto& [key, value] : json.items()) {
    Message* entry = message->GetReflection()->AddMessage(message, &field);
    entry->GetReflection()->SetString(entry, field.message_type()->map_key(), key);
    ReadValue(value, *field.message_type()->map_value(), entry);
  }
}

void Read(const Json& json, Message* message) {
  if (auto* free = dynamic_cast<Struct*>(message)) return ReadFree(json, free);
  for (const auto& [key, value] : json.get_ref<const Json::object_t&>()) {
    const FieldDescriptor* field = FindKey(*message->GetDescriptor(), key);
    if (field == nullptr || value.is_null()) continue;
    if (field->is_map()) {
      ReadMap(value, *field, message);
    } else if (field->is_repeated()) {
      for (const Json& element : value.get_ref<const Json::array_t&>()) {
        ReadValue(element, *field, message);
      }
    } else {
      ReadValue(value, *field, message);
    }
  }
}

}  // namespace

std::string ToJson(const Message& message) {
  return Write(message).dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::Status FromJson(std::string_view json, Message* message) {
  message->Clear();
  const Json parsed = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return absl::InvalidArgumentError("not JSON");
  try {
    Read(parsed, message);
  } catch (const Json::exception& e) {
    return absl::InvalidArgumentError(
        base::StrCat("not a ", message->GetDescriptor()->name(), ": ", e.what()));
  }
  return absl::OkStatus();
}

}  // namespace levada::pipeline
