#include "core/pipeline/reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "core/pipeline/format.h"
#include "core/pipeline/free_form.h"
#include "core/pipeline/rules.h"
#include "levada/v1/pipeline.pb.h"

namespace levada::pipeline {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// A resource that was read from an API server: `kubectl get -o yaml`.
bool CameFromServer(const YamlNode& pipeline) {
  for (const auto& [key, value] : pipeline.entries) {
    if (key.text != "metadata") continue;
    return std::any_of(value.entries.begin(), value.entries.end(),
                       [](const YamlEntry& entry) { return entry.key.text == "uid"; });
  }
  return false;
}

// What the API server adds to a resource; passed over.
bool AddedByServer(const Descriptor& message, const YamlNode& node, std::string_view key) {
  if (&message == v1::Pipeline::descriptor()) return key == "status" && CameFromServer(node);
  if (&message != v1::Metadata::descriptor()) return false;
  static constexpr std::array<std::string_view, 11> kKeys = {"creationTimestamp",
                                                             "deletionGracePeriodSeconds",
                                                             "deletionTimestamp",
                                                             "finalizers",
                                                             "generateName",
                                                             "generation",
                                                             "managedFields",
                                                             "ownerReferences",
                                                             "resourceVersion",
                                                             "selfLink",
                                                             "uid"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

size_t CharactersIn(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

// "expected text, got the number `3`"
std::string Got(std::string_view expected, const YamlNode& node) {
  std::string out = base::StrCat("expected ", expected, ", got ", Describe(node));
  const bool scalar = node.kind == YamlNode::Kind::kScalar && !node.text.empty();
  return scalar ? base::StrCat(out, " ", Quote(node.text)) : out;
}

std::string_view ExpectedScalar(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a number";
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return "a whole number";
    default:
      return "text";
  }
}

// Decimal, without leading zeros: what every reader of YAML and JSON understands alike.
bool IsDecimal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return false;
  return text.size() == 1 || text.front() != '0';
}

}  // namespace

void Reader::Fail(const YamlNode& node, const std::string& path, std::string message,
                  std::string hint) {
  problems_->Add(
      ProblemAt(*node.span.source, node.span.begin, path, std::move(message), std::move(hint)));
  source_->MarkBroken(path);
}

bool Reader::CheckKey(const YamlNode& key, const std::string& path, std::set<std::string>* seen) {
  if (key.kind != YamlNode::Kind::kScalar) {
    Fail(key, path, Got("text as a key", key));
    return false;
  }
  if (TypeOf(key) != ScalarType::kText) {
    Fail(key, path, Got("text as a key", key), base::StrCat("quote it: \"", key.text, "\""));
    return false;
  }
  if (!seen->insert(key.text).second) {
    Fail(key, Join(path, key.text), base::StrCat(Quote(key.text), " stands here twice"));
    return false;
  }
  return true;
}

void Reader::ReadMessage(const YamlNode& node, const std::string& path, Message* message) {
  const Descriptor& type = *message->GetDescriptor();
  if (node.kind != YamlNode::Kind::kMapping) {
    const bool nothing = Describe(node) == "nothing";
    Fail(node, path, Got("a map", node),
         nothing ? "write `{}` for a section without settings" : "");
    return;
  }
  std::set<std::string> seen;
  for (const auto& [key, value] : node.entries) {
    if (problems_->Full()) return;
    if (!CheckKey(key, path, &seen)) continue;
    const std::string child = Join(path, key.text);
    if (AddedByServer(type, node, key.text)) continue;
    const FieldDescriptor* field = FindKey(type, key.text);
    if (field == nullptr && &type == v1::Pipeline::descriptor() && key.text == "status") {
      problems_->Add(ProblemAt(*key.span.source, key.span.begin, child, "unknown key `status`",
                               "the operator writes it: leave it out"));
      continue;
    }
    if (field == nullptr) {
      const std::vector<std::string> keys = KeysOf(type);
      problems_->Add(ProblemAt(*key.span.source, key.span.begin, child,
                               base::StrCat("unknown key ", Quote(key.text)),
                               NearestHint(key.text, keys, "expected " + OneOf(keys))));
      // One mistake, one problem: the key that was meant is not missing too.
      const std::string_view nearest = base::Nearest(key.text, keys);
      const std::string meant = Join(path, nearest);
      if (!nearest.empty() && !source_->Has(meant)) {
        source_->Set(meant, value.span, key.span);
        source_->MarkBroken(meant);
      }
      continue;
    }
    ReadField(key, value, child, *field, message);
  }
}

void Reader::ReadField(const YamlNode& key, const YamlNode& node, const std::string& path,
                       const FieldDescriptor& field, Message* message) {
  source_->Set(path, node.span, key.span);
  if (field.is_map()) {
    ReadMap(node, path, field, message);
  } else if (field.is_repeated()) {
    ReadList(node, path, field, message);
  } else {
    ReadValue(node, path, field, message);
  }
}

void Reader::ReadList(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                      Message* message) {
  if (node.kind != YamlNode::Kind::kSequence) {
    return Fail(node, path, Got("a list", node), "write one element a line, each after `- `");
  }
  const size_t most = MaxItems(RulesOf(field));
  if (node.items.size() > most) {
    return Fail(node, path,
                base::StrCat("expected at most ", most, " elements, got ", node.items.size()));
  }
  for (size_t i = 0; i < node.items.size() && !problems_->Full(); ++i) {
    const std::string child = Join(path, i);
    source_->Set(child, node.items[i].span, node.items[i].span);
    ReadValue(node.items[i], child, field, message);
  }
}

void Reader::ReadMap(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                     Message* message) {
  if (node.kind != YamlNode::Kind::kMapping) return Fail(node, path, Got("a map", node));
  const v1::FieldRules& rules = RulesOf(field);
  if (node.entries.size() > MaxItems(rules)) {
    return Fail(
        node, path,
        base::StrCat("expected at most ", MaxItems(rules), " entries, got ", node.entries.size()));
  }
  std::set<std::string> seen;
  for (const auto& [key, value] : node.entries) {
    if (problems_->Full()) return;
    if (!CheckKey(key, path, &seen)) continue;
    const std::string child = Join(path, key.text);
    source_->Set(child, value.span, key.span);
    const std::string problem = FormatProblem(rules, rules.key_format(), key.text);
    if (!problem.empty()) Fail(key, child, problem);
    Message* entry = message->GetReflection()->AddMessage(message, &field);
    entry->GetReflection()->SetString(entry, entry->GetDescriptor()->map_key(), key.text);
    // The bounds are those of the map's field: its entries have no rules of their own.
    const FieldDescriptor& value_field = *entry->GetDescriptor()->map_value();
    if (value_field.message_type() != nullptr) {
      ReadMessage(value, child, entry->GetReflection()->MutableMessage(entry, &value_field));
    } else if (CheckText(value, child, field)) {
      entry->GetReflection()->SetString(entry, &value_field, value.text);
      CheckFormat(value, child, field);
    }
  }
}

void Reader::ReadValue(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                       Message* message) {
  if (field.message_type() == nullptr) return ReadScalar(node, path, field, message);
  const Reflection& reflection = *message->GetReflection();
  Message* child = field.is_repeated() ? reflection.AddMessage(message, &field)
                                       : reflection.MutableMessage(message, &field);
  if (auto* free = dynamic_cast<google::protobuf::Struct*>(child); free != nullptr) {
    const bool of_test = field.file() == v1::Test::descriptor()->file();
    return ReadFreeForm(node, path, /*nulls=*/of_test, source_, problems_, free);
  }
  ReadMessage(node, path, child);
}

bool Reader::CheckText(const YamlNode& node, const std::string& path,
                       const FieldDescriptor& field) {
  if (node.kind != YamlNode::Kind::kScalar) {
    Fail(node, path, Got("text", node));
    return false;
  }
  if (TypeOf(node) == ScalarType::kNull) {
    Fail(node, path, Got("text", node), "leave the key out, or give it a value");
    return false;
  }
  // `cpu: 2` is common, and the API server keeps it as it is.
  const bool whole_quantity = RulesOf(field).format() == v1::QUANTITY &&
                              TypeOf(node) == ScalarType::kInteger && IsDecimal(node.text);
  if (TypeOf(node) != ScalarType::kText && !whole_quantity) {
    Fail(node, path, Got("text", node), base::StrCat("quote it: \"", node.text, "\""));
    return false;
  }
  // A name that is too long is still a name: what refers to it is not wrong as well.
  const size_t length = CharactersIn(node.text);
  const size_t most = MaxLength(RulesOf(field));
  if (length > most) {
    Fail(node, path, base::StrCat("expected at most ", most, " characters, got ", length));
  } else if (node.text.find('\0') != node.text.npos) {
    Fail(node, path, "expected text without NUL characters");
  }
  return true;
}

void Reader::CheckFormat(const YamlNode& node, const std::string& path,
                         const FieldDescriptor& field) {
  if (source_->Broken(path)) return;
  const v1::FieldRules& rules = RulesOf(field);
  const std::string problem = FormatProblem(rules, rules.format(), node.text);
  if (!problem.empty()) Fail(node, path, problem);
}

void Reader::ReadScalar(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                        Message* message) {
  const Reflection& reflection = *message->GetReflection();
  const bool scalar = node.kind == YamlNode::Kind::kScalar;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      // A list keeps its length, so that paths keep their indices.
      const bool ok = CheckText(node, path, field);
      if (field.is_repeated()) {
        reflection.AddString(message, &field, ok ? node.text : "");
      } else if (ok) {
        reflection.SetString(message, &field, node.text);
      }
      if (ok) CheckFormat(node, path, field);
      return;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const std::vector<std::string> names = YamlNames(*field.enum_type());
      const EnumValueDescriptor* value =
          scalar ? FindValue(*field.enum_type(), node.text) : nullptr;
      if (value != nullptr) return reflection.SetEnum(message, &field, value);
      return Fail(node, path, Got(OneOf(names), node), NearestHint(node.text, names));
    }
    case FieldDescriptor::CPPTYPE_BOOL: {
      if (scalar && TypeOf(node) == ScalarType::kBoolean &&
          (node.text == "true" || node.text == "false")) {
        return reflection.SetBool(message, &field, node.text == "true");
      }
      const bool worded = scalar && TypeOf(node) == ScalarType::kBoolean;
      return Fail(node, path, Got("true or false", node),
                  worded ? "write it in full and in lower case" : "");
    }
    default:
      ReadNumber(node, path, field, message);
  }
}

void Reader::ReadNumber(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                        Message* message) {
  const bool whole = field.cpp_type() != FieldDescriptor::CPPTYPE_DOUBLE;
  const bool scalar = node.kind == YamlNode::Kind::kScalar;
  const ScalarType type = scalar ? TypeOf(node) : ScalarType::kText;
  if (type != ScalarType::kInteger && (whole || type != ScalarType::kFloat)) {
    const bool quoted = scalar && node.span.style != ScalarStyle::kPlain && IsDecimal(node.text);
    return Fail(node, path, Got(ExpectedScalar(field), node),
                quoted ? "write it without quotes" : "");
  }
  if (type == ScalarType::kInteger && !IsDecimal(node.text)) {
    return Fail(node, path, Got("a decimal number", node));
  }
  double value = 0;
  if (!absl::SimpleAtod(node.text, &value) || !std::isfinite(value)) {
    return Fail(node, path, Got("a finite number", node));
  }
  const std::string range = RangeProblem(RulesOf(field), value, node.text);
  if (!range.empty()) return Fail(node, path, range);
  const Reflection& reflection = *message->GetReflection();
  if (!whole) return reflection.SetDouble(message, &field, value);

  const bool wide = field.cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
  const uint64_t most = wide ? std::numeric_limits<int64_t>::max()  // as far as the API server goes
                             : std::numeric_limits<uint32_t>::max();
  uint64_t number = 0;
  if (!absl::SimpleAtoi(node.text, &number) || number > most) {
    return Fail(node, path, base::StrCat("expected 0 to ", most, ", got ", node.text));
  }
  if (wide) {
    reflection.SetUInt64(message, &field, number);
  } else {
    reflection.SetUInt32(message, &field, static_cast<uint32_t>(number));
  }
}

}  // namespace levada::pipeline
