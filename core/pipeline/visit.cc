#include "core/pipeline/visit.h"

#include "core/pipeline/rules.h"

namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The messages right below `message`.
void VisitChildren(const Message& message, const std::string& path, const MessageVisitor& visit) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->message_type() == nullptr) continue;
    const std::string child = Join(path, KeyOf(*field));
    if (!field->is_repeated()) {
      visit(child, reflection.GetMessage(message, field));
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      const Message& element = reflection.GetRepeatedMessage(message, field, i);
      if (!field->is_map()) {
        visit(Join(child, static_cast<size_t>(i)), element);
        continue;
      }
      const FieldDescriptor* value = field->message_type()->map_value();
      if (value->message_type() == nullptr) continue;
      const Reflection& entry = *element.GetReflection();
      visit(Join(child, entry.GetString(element, field->message_type()->map_key())),
            entry.GetMessage(element, value));
    }
  }
}

}  // namespace

void VisitMessages(const Message& message, const std::string& path, const MessageVisitor& visit) {
  visit(path, message);
  VisitChildren(message, path, [&](const std::string& child_path, const Message& child) {
    VisitMessages(child, child_path, visit);
  });
}

void VisitTexts(const Message& message, const std::string& path, const TextVisitor& visit) {
  VisitMessages(message, path, [&](const std::string& at, const Message& part) {
    const Reflection& reflection = *part.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(part, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) continue;
      const std::string child = Join(at, KeyOf(*field));
      if (!field->is_repeated()) {
        visit(child, *field, reflection.GetString(part, field));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(part, field); ++i) {
        visit(Join(child, static_cast<size_t>(i)), *field,
              reflection.GetRepeatedString(part, field, i));
      }
    }
  });
}

}  // namespace levada::pipeline
