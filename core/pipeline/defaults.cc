#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/rules.h"

namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::string_view kEmptySection = "{}";

bool IsSet(const Message& message, const FieldDescriptor& field) {
  return message.GetReflection()->HasField(message, &field);
}

// The schema's own defaults are checked by defaults_test: what is written there can be read.
void SetScalar(const FieldDescriptor& field, const std::string& text, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  double number = 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(message, &field, text);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(message, &field, text == "true");
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.SetEnum(message, &field, FindValue(*field.enum_type(), text));
    default:
      break;
  }
  if (!absl::SimpleAtod(text, &number)) return;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
    reflection.SetDouble(message, &field, number);
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
    reflection.SetUInt32(message, &field, static_cast<uint32_t>(number));
  } else {
    reflection.SetUInt64(message, &field, static_cast<uint64_t>(number));
  }
}

void FillChildren(const FieldDescriptor& field, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  if (!field.is_repeated()) return FillDefaults(reflection.MutableMessage(message, &field));
  const int size = reflection.FieldSize(*message, &field);
  for (int i = 0; i < size; ++i) {
    Message* element = reflection.MutableRepeatedMessage(message, &field, i);
    if (!field.is_map()) {
      FillDefaults(element);
    } else if (field.message_type()->map_value()->message_type() != nullptr) {
      FillDefaults(
          element->GetReflection()->MutableMessage(element, field.message_type()->map_value()));
    }
  }
}

}  // namespace

void FillDefaults(Message* message) {
  const auto& type = *message->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string& text = RulesOf(field).default_value();
    if (field.message_type() != nullptr) {
      const bool there = field.is_repeated() || IsSet(*message, field);
      if (there || text == kEmptySection) FillChildren(field, message);
    } else if (!field.is_repeated() && !text.empty() && !IsSet(*message, field)) {
      SetScalar(field, text, message);
    }
  }
}

namespace {

// Names made from other names.
void FillStep(v1::Step* step) {
  if (step->has_model() && step->model().version_as().empty()) {
    step->mutable_model()->set_version_as(base::StrCat(step->model().as(), "_model"));
  }
  if (step->has_rules() && step->rules().rules_as().empty()) {
    step->mutable_rules()->set_rules_as(base::StrCat(step->rules().as(), "_rules"));
  }
}

}  // namespace

void ApplyDefaults(v1::Pipeline* pipeline) {
  FillDefaults(pipeline);
  pipeline->mutable_spec()->mutable_dead_letters()->set_topic(DeadLetterTopic(*pipeline));
  for (v1::Stage& stage : *pipeline->mutable_spec()->mutable_stages()) {
    if (!stage.has_scoring()) continue;
    for (v1::Step& step : *stage.mutable_scoring()->mutable_steps()) FillStep(&step);
  }
}

}  // namespace levada::pipeline
