#include "core/pipeline/free_form.h"

#include <cmath>
#include <map>

#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "core/pipeline/format.h"
#include "core/pipeline/quote.h"
#include "core/pipeline/rules.h"

namespace levada::pipeline {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

class FreeFormReader {
 public:
  FreeFormReader(bool nulls, SourceMap* source, Problems* problems)
      : nulls_(nulls), source_(source), problems_(problems) {}

  void ReadMap(const YamlNode& node, const std::string& path, Struct* out) {
    if (node.kind != YamlNode::Kind::kMapping) {
      return Fail(node, path, base::StrCat("expected a map, got ", Describe(node)));
    }
    for (const auto& [key, value] : node.entries) {
      const bool text = key.kind == YamlNode::Kind::kScalar && TypeOf(key) == ScalarType::kText;
      const std::string child = Join(path, key.text);
      if (!text) {
        Fail(key, path, base::StrCat("expected text as a key, got ", Describe(key)));
      } else if (out->fields().contains(key.text)) {
        Fail(key, child, base::StrCat(Quote(key.text), " stands here twice"));
      } else {
        ReadValue(value, child, &(*out->mutable_fields())[key.text]);
      }
    }
  }

 private:
  void ReadValue(const YamlNode& node, const std::string& path, Value* out) {
    if (node.kind == YamlNode::Kind::kMapping) {
      return ReadMap(node, path, out->mutable_struct_value());
    }
    if (node.kind == YamlNode::Kind::kSequence) {
      out->mutable_list_value();
      for (size_t i = 0; i < node.items.size(); ++i) {
        ReadValue(node.items[i], Join(path, i), out->mutable_list_value()->add_values());
      }
      return;
    }
    double number = 0;
    switch (TypeOf(node)) {
      case ScalarType::kText:
        return out->set_string_value(node.text);
      case ScalarType::kBoolean:
        if (node.text == "true" || node.text == "false") {
          return out->set_bool_value(node.text == "true");
        }
        return Fail(node, path, "expected true or false in full and in lower case");
      case ScalarType::kInteger:
      case ScalarType::kFloat:
        if (absl::SimpleAtod(node.text, &number) && std::isfinite(number)) {
          return out->set_number_value(number);
        }
        return Fail(node, path, base::StrCat("expected a finite number, got ", Quote(node.text)));
      case ScalarType::kNull:
        if (nulls_) return out->set_null_value(google::protobuf::NULL_VALUE);
        return Fail(node, path, "expected a value, got nothing");
    }
  }

  void Fail(const YamlNode& node, const std::string& path, std::string message) {
    problems_->Add(ProblemAt(*node.span.source, node.span.begin, path, std::move(message)));
    source_->MarkBroken(path);
  }

  const bool nulls_;
  SourceMap* source_;
  Problems* problems_;
};

void AppendMap(const Struct& free_form, std::string* out);

void AppendValue(const Value& value, std::string* out) {
  switch (value.kind_case()) {
    case Value::kStructValue:
      return AppendMap(value.struct_value(), out);
    case Value::kListValue: {
      *out += "[";
      for (int i = 0; i < value.list_value().values_size(); ++i) {
        if (i > 0) *out += ",";
        AppendValue(value.list_value().values(i), out);
      }
      *out += "]";
      return;
    }
    case Value::kStringValue:
      return AppendQuoted(value.string_value(), out);
    case Value::kNumberValue:
      return json::AppendDouble(value.number_value(), out);
    case Value::kBoolValue:
      *out += value.bool_value() ? "true" : "false";
      return;
    default:
      *out += "null";
  }
}

void AppendMap(const Struct& free_form, std::string* out) {
  const std::map<std::string, Value> sorted(free_form.fields().begin(), free_form.fields().end());
  std::string_view separator = "{";
  for (const auto& [key, value] : sorted) {
    *out += separator;
    separator = ", ";
    AppendQuoted(key, out);
    *out += ": ";
    AppendValue(value, out);
  }
  *out += sorted.empty() ? "{}" : "}";
}

}  // namespace

void ReadFreeForm(const YamlNode& node, const std::string& path, bool nulls, SourceMap* source,
                  Problems* problems, Struct* out) {
  FreeFormReader(nulls, source, problems).ReadMap(node, path, out);
}

std::string FreeFormToJson(const Struct& free_form) {
  std::string out;
  AppendMap(free_form, &out);
  return out;
}

}  // namespace levada::pipeline
