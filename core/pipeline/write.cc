#include "core/json/write.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "core/base/strings.h"
#include "core/pipeline/free_form.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/quote.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/yaml.h"

namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A scalar that needs no quotes, wherever it stands in a block.
bool IsPlain(const std::string& text) {
  static constexpr std::string_view kSafe = " _-./@+=<>()&|!*%$'\"?";
  if (text.empty() || text.size() > 120 || text.ends_with(' ')) return false;
  if (!absl::ascii_isalnum(text[0]) && text[0] != '_' && text[0] != '/' && text[0] != '.') {
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const bool inner_colon = text[i] == ':' && i + 1 < text.size() && text[i + 1] != ' ';
    if (!absl::ascii_isalnum(text[i]) && kSafe.find(text[i]) == kSafe.npos && !inner_colon) {
      return false;
    }
  }
  YamlNode node;
  node.text = text;
  return TypeOf(node) == ScalarType::kText;
}

// Text of several lines that a literal block gives back as it is.
bool IsBlock(std::string_view text) {
  if (text.find('\n') == text.npos || text.ends_with("\n\n") || text.front() == '\n') return false;
  if (text.find_first_of("\r\t") != text.npos || HasEscapes(text)) return false;
  for (const absl::string_view line : absl::StrSplit(base::AbslView(text), '\n')) {
    if (!line.empty() && (line.front() == ' ' || line.back() == ' ')) return false;
  }
  return std::none_of(text.begin(), text.end(), [](char c) {
    return c != '\n' && absl::ascii_iscntrl(static_cast<unsigned char>(c));
  });
}

class Writer {
 public:
  std::string Write(const Message& message) {
    WriteFields(message, 0, /*first_inline=*/false);
    return std::move(out_);
  }

 private:
  void Indent(int indent) { out_.append(indent, ' '); }

  // The fields of `message`, one a line; the first one stands where the line already is.
  void WriteFields(const Message& message, int indent, bool first_inline) {
    const Reflection& reflection = *message.GetReflection();
    const auto& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      const bool there = field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                                             : reflection.HasField(message, &field);
      if (!there) continue;
      if (!first_inline) Indent(indent);
      first_inline = false;
      base::StrAppend(&out_, KeyOf(field), ":");
      if (field.is_map()) {
        WriteMap(message, field, indent);
      } else if (field.is_repeated()) {
        WriteList(message, field, indent);
      } else if (field.message_type() != nullptr) {
        WriteChild(reflection.GetMessage(message, &field), indent + 2);
      } else {
        WriteScalar(message, field, indent);
      }
    }
  }

  static bool Empty(const Message& message) {
    std::vector<const FieldDescriptor*> fields;
    message.GetReflection()->ListFields(message, &fields);
    return fields.empty();
  }

  void WriteChild(const Message& message, int indent) {
    if (const auto* free = dynamic_cast<const google::protobuf::Struct*>(&message)) {
      base::StrAppend(&out_, " ", FreeFormToJson(*free), "\n");
      return;
    }
    if (Empty(message)) {
      out_ += " {}\n";
      return;
    }
    out_ += "\n";
    WriteFields(message, indent, false);
  }

  void WriteList(const Message& message, const FieldDescriptor& field, int indent) {
    const Reflection& reflection = *message.GetReflection();
    out_ += "\n";
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      Indent(indent);
      out_ += "-";
      if (field.message_type() == nullptr) {
        WriteText(reflection.GetRepeatedString(message, &field, i), indent);
        continue;
      }
      const Message& element = reflection.GetRepeatedMessage(message, &field, i);
      if (const auto* free = dynamic_cast<const google::protobuf::Struct*>(&element)) {
        base::StrAppend(&out_, " ", FreeFormToJson(*free), "\n");
        continue;
      }
      out_ += Empty(element) ? " {}\n" : " ";
      WriteFields(element, indent + 2, /*first_inline=*/true);
    }
  }

  void WriteMap(const Message& message, const FieldDescriptor& field, int indent) {
    const Reflection& reflection = *message.GetReflection();
    const FieldDescriptor* key = field.message_type()->map_key();
    const FieldDescriptor* value = field.message_type()->map_value();
    std::vector<std::pair<std::string, const Message*>> entries;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      entries.emplace_back(entry.GetReflection()->GetString(entry, key), &entry);
    }
    std::sort(entries.begin(), entries.end());
    out_ += "\n";
    for (const auto& [name, entry] : entries) {
      Indent(indent + 2);
      if (IsPlain(name)) {
        out_ += name;
      } else {
        AppendQuoted(name, &out_);
      }
      out_ += ":";
      const Reflection& parts = *entry->GetReflection();
      if (value->message_type() != nullptr) {
        WriteChild(parts.GetMessage(*entry, value), indent + 4);
      } else {
        WriteText(parts.GetString(*entry, value), indent + 2);
      }
    }
  }

  void WriteText(const std::string& text, int indent) {
    out_ += " ";
    if (IsPlain(text)) {
      out_ += text;
    } else if (IsBlock(text)) {
      out_ += text.ends_with('\n') ? "|" : "|-";
      const std::string_view lines =
          std::string_view(text).substr(0, text.ends_with('\n') ? text.size() - 1 : text.size());
      for (const absl::string_view line : absl::StrSplit(base::AbslView(lines), '\n')) {
        out_ += "\n";
        if (!line.empty()) Indent(indent + 2);
        out_.append(line.data(), line.size());
      }
    } else {
      AppendQuoted(text, &out_);
    }
    out_ += "\n";
  }

  void WriteScalar(const Message& message, const FieldDescriptor& field, int indent) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return WriteText(reflection.GetString(message, &field), indent);
      case FieldDescriptor::CPPTYPE_ENUM:
        return WriteText(YamlName(*reflection.GetEnum(message, &field)), indent);
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ += reflection.GetBool(message, &field) ? " true" : " false";
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        out_ += " ";
        json::AppendDouble(reflection.GetDouble(message, &field), &out_);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        base::StrAppend(&out_, " ", reflection.GetUInt64(message, &field));
        break;
      default:
        base::StrAppend(&out_, " ", reflection.GetUInt32(message, &field));
    }
    out_ += "\n";
  }

  std::string out_;
};

}  // namespace

std::string ToYaml(const v1::Pipeline& pipeline) { return Writer().Write(pipeline); }

}  // namespace levada::pipeline
