#include "core/pipeline/rules.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
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

std::string Fold(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c != '_' && c != '-') out.push_back(absl::ascii_tolower(c));
  }
  return out;
}

// Edits that turn `a` into `b`: insertions, deletions, replacements, swaps of neighbours.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
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

std::string Nearest(std::string_view name, const std::vector<std::string>& names) {
  static constexpr size_t kLongest = 256;
  if (name.empty() || name.size() > kLongest) return "";
  const std::string folded = Fold(name);
  std::string best;
  size_t best_distance = std::max<size_t>(1, folded.size() / 3) + 1;
  for (const std::string& candidate : names) {
    if (candidate.size() > kLongest) continue;
    const size_t distance = EditDistance(folded, Fold(candidate));
    // A name that is entirely rewritten is not near.
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string NearestHint(std::string_view name, const std::vector<std::string>& names,
                        std::string_view otherwise) {
  const std::string nearest = Nearest(name, names);
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
