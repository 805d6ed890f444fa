#include <memory>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/pipeline/format.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/reader.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/yaml.h"

// Overrides: PATH=VALUE.
//
//   path     = step *( "." step )
//   step     = key [ "[" selector "]" ]
//   selector = index | key "=" value | any text        ; the last for a map's key
namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

struct Step {
  size_t offset = 0;
  std::string key;
  std::optional<std::string> selector;
};

// Where the path ends: "=" outside of brackets.
size_t FindEquals(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') ++depth;
    if (text[i] == ']') --depth;
    if (text[i] == '=' && depth <= 0) return i;
  }
  return text.npos;
}

class Override {
 public:
  Override(std::string_view text, Document* document, Problems* problems)
      : text_(text),
        source_text_(std::make_shared<const SourceText>("--set", text)),
        document_(document),
        problems_(problems) {}

  void Apply() {
    value_at_ = FindEquals(text_);
    if (value_at_ == text_.npos) return Fail(0, "", "expected PATH=VALUE");
    ++value_at_;
    std::vector<Step> steps;
    if (!ParsePath(&steps)) return;
    Message* message = &document_->pipeline;
    std::string path;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (!Walk(&steps, i, &message, &path)) return;
    }
  }

 private:
  void Fail(size_t offset, std::string path, std::string message, std::string hint = "") {
    problems_->Add(
        ProblemAt(*source_text_, offset, std::move(path), std::move(message), std::move(hint)));
  }

  bool ParsePath(std::vector<Step>* steps) {
    const std::string_view path = std::string_view(text_).substr(0, value_at_ - 1);
    size_t at = 0;
    while (at <= path.size()) {
      Step step{.offset = at};
      size_t end = std::min(path.find_first_of(".[", at), path.size());
      step.key = path.substr(at, end - at);
      if (end < path.size() && path[end] == '[') {
        const size_t close = path.find(']', end);
        if (close == path.npos) return Fail(end, "", "expected `]`"), false;
        std::string_view selector = path.substr(end + 1, close - end - 1);
        if (selector.size() >= 2 && selector.front() == '"' && selector.back() == '"') {
          selector = selector.substr(1, selector.size() - 2);
        }
        step.selector = selector;
        end = close + 1;
      }
      if (step.key.empty()) return Fail(at, "", "expected a key"), false;
      if (end < path.size() && path[end] != '.') return Fail(end, "", "expected `.`"), false;
      steps->push_back(std::move(step));
      at = end + 1;
    }
    return true;
  }

  // Goes down the step `i`, or sets the value where it is the last. False where there is nothing
  // more to do.
  bool Walk(std::vector<Step>* steps, size_t i, Message** message, std::string* path) {
    Step& step = (*steps)[i];
    const auto& type = *(*message)->GetDescriptor();
    const FieldDescriptor* field = FindKey(type, step.key);
    *path = Join(*path, step.key);
    if (field == nullptr) {
      const std::vector<std::string> keys = KeysOf(type);
      Fail(step.offset, *path, base::StrCat("unknown key ", Quote(step.key)),
           NearestHint(step.key, keys, "expected " + OneOf(keys)));
      return false;
    }
    const bool last = i + 1 == steps->size();
    if (field->is_map() && !step.selector.has_value() && !last) {
      // `connections.search` is the same as `connections[search]`.
      step.selector = (*steps)[i + 1].key;
      steps->erase(steps->begin() + i + 1);
      return Walk(steps, i, message, &(*path = std::string(Parent(*path))));
    }
    if (step.selector.has_value()) return Element(step, last, *field, message, path);
    if (last) return SetField(*field, *message, *path), false;
    if (field->message_type() == nullptr || field->is_repeated()) {
      Fail(step.offset, *path,
           field->is_repeated() ? "expected an element of the list: [0] or [name=…]"
                                : "there is nothing below this");
      return false;
    }
    Mark(*path, step.offset);
    *message = (*message)->GetReflection()->MutableMessage(*message, field);
    return true;
  }

  static std::string_view Parent(std::string_view path) {
    const size_t dot = path.rfind('.');
    return path.substr(0, dot == path.npos ? 0 : dot);
  }

  // An element of a list or map.
  bool Element(const Step& step, bool last, const FieldDescriptor& field, Message** message,
               std::string* path) {
    if (!field.is_repeated()) {
      Fail(step.offset, *path, "this is neither a list nor a map");
      return false;
    }
    const std::optional<int> index =
        field.is_map() ? MapEntry(step, field, *message) : ListIndex(step, field, **message, *path);
    if (!index.has_value()) return false;
    *path = field.is_map() ? Join(*path, *step.selector) : Join(*path, size_t(*index));
    if (last) return SetElement(field, *index, *message, *path), false;
    const Reflection& reflection = *(*message)->GetReflection();
    if (field.message_type() == nullptr || (field.is_map() && MapValue(field) == nullptr)) {
      Fail(step.offset, *path, "there is nothing below this");
      return false;
    }
    Mark(*path, step.offset);
    *message = reflection.MutableRepeatedMessage(*message, &field, *index);
    if (field.is_map()) {
      *message = (*message)->GetReflection()->MutableMessage(*message, MapValue(field));
    }
    return true;
  }

  // The field of a map's entry that holds its value, where that is a message.
  static const FieldDescriptor* MapValue(const FieldDescriptor& field) {
    const FieldDescriptor* value = field.message_type()->map_value();
    return value->message_type() == nullptr ? nullptr : value;
  }

  // The entry of a map with the selector as its key; made where there is none.
  std::optional<int> MapEntry(const Step& step, const FieldDescriptor& field, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    const FieldDescriptor* key = field.message_type()->map_key();
    const int size = reflection.FieldSize(*message, &field);
    for (int i = 0; i < size; ++i) {
      const Message& entry = reflection.GetRepeatedMessage(*message, &field, i);
      if (entry.GetReflection()->GetString(entry, key) == *step.selector) return i;
    }
    const v1::FieldRules& rules = RulesOf(field);
    const std::string problem = FormatProblem(rules, rules.key_format(), *step.selector);
    if (!problem.empty()) {
      Fail(step.offset, "", problem);
      return std::nullopt;
    }
    Message* entry = reflection.AddMessage(message, &field);
    entry->GetReflection()->SetString(entry, key, *step.selector);
    return size;
  }

  std::optional<int> ListIndex(const Step& step, const FieldDescriptor& field,
                               const Message& message, const std::string& path) {
    const Reflection& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, &field);
    int index = -1;
    if (absl::SimpleAtoi(*step.selector, &index)) {
      if (index >= 0 && index < size) return index;
      Fail(step.offset, path, base::StrCat("there are ", size, " elements, counted from 0"));
      return std::nullopt;
    }
    const size_t equals = step.selector->find('=');
    const FieldDescriptor* by =
        equals == std::string::npos || field.message_type() == nullptr
            ? nullptr
            : FindKey(*field.message_type(), step.selector->substr(0, equals));
    if (by == nullptr || by->is_repeated() || by->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      Fail(step.offset, path, base::StrCat("expected [0] or [name=…], got [", *step.selector, "]"));
      return std::nullopt;
    }
    const std::string wanted = step.selector->substr(equals + 1);
    std::vector<std::string> names;
    for (int i = 0; i < size; ++i) {
      const Message& element = reflection.GetRepeatedMessage(message, &field, i);
      names.push_back(element.GetReflection()->GetString(element, by));
      if (names.back() == wanted) return i;
    }
    Fail(step.offset, path, base::StrCat("no element with ", *step.selector),
         NearestHint(wanted, names));
    return std::nullopt;
  }

  void Mark(const std::string& path, size_t offset) {
    const SourceSpan span{source_text_, offset, ScalarStyle::kPlain};
    if (!document_->source.Has(path)) document_->source.Set(path, span, span);
  }

  // VALUE, as text or as YAML. Nothing where it is not YAML.
  std::optional<YamlNode> Value(bool text) {
    YamlNode node;
    node.span = {source_text_, value_at_, ScalarStyle::kPlain};
    if (text) {
      node.text = text_.substr(value_at_);
      node.text_tag = true;
      return node;
    }
    // Blanks in place of the path, so that columns are those of the flag.
    const auto padded = std::make_shared<const SourceText>(
        source_text_->file, std::string(value_at_, ' ') + text_.substr(value_at_));
    const size_t before = problems_->size();
    std::vector<YamlNode> documents = ParseYaml(padded, problems_);
    if (problems_->size() > before) return std::nullopt;
    return documents.empty() ? node : std::move(documents.front());
  }

  static bool IsText(const FieldDescriptor& field) {
    return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  }

  void SetField(const FieldDescriptor& field, Message* message, const std::string& path) {
    const std::optional<YamlNode> node = Value(IsText(field) && !field.is_repeated());
    if (!node.has_value()) return;
    document_->source.Erase(path);
    message->GetReflection()->ClearField(message, &field);
    Reader(&document_->source, problems_).ReadField(*node, *node, path, field, message);
  }

  void SetElement(const FieldDescriptor& field, int index, Message* message,
                  const std::string& path) {
    const bool text = field.is_map() ? MapValue(field) == nullptr : IsText(field);
    const std::optional<YamlNode> node = Value(text);
    if (!node.has_value()) return;
    document_->source.Erase(path);
    document_->source.Set(path, node->span, node->span);
    Reader reader(&document_->source, problems_);
    const Reflection& reflection = *message->GetReflection();
    if (field.is_map()) {
      Message* entry = reflection.MutableRepeatedMessage(message, &field, index);
      const FieldDescriptor& value = *field.message_type()->map_value();
      entry->GetReflection()->ClearField(entry, &value);
      return reader.ReadValue(*node, path, value, entry);
    }
    reader.ReadValue(*node, path, field, message);
    reflection.SwapElements(message, &field, index, reflection.FieldSize(*message, &field) - 1);
    reflection.RemoveLast(message, &field);
  }

  std::string text_;
  std::shared_ptr<const SourceText> source_text_;
  Document* document_;
  Problems* problems_;
  size_t value_at_ = 0;
};

}  // namespace

void ApplyOverride(std::string_view text, Document* document, Problems* problems) {
  if (!base::IsUtf8(text) || text.find('\0') != text.npos) {
    problems->Add({.file = "--set", .message = "not UTF-8 text"});
    return;
  }
  Override(text, document, problems).Apply();
}

}  // namespace levada::pipeline
