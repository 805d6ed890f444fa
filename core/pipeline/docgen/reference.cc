#include "core/pipeline/docgen/reference.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "core/base/strings.h"
#include "core/pipeline/docgen/described.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"

namespace levada::pipeline {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

constexpr std::string_view kHead = R"(# The Pipeline manifest

<!-- Made from proto/levada/v1/{pipeline,cluster,status}.proto by levada-docgen. Do not edit:
     `./dev docs` makes it anew, and a test fails when it is stale. -->

Everything that a manifest can hold. [manifests/samples](../../manifests/samples) has whole ones to
start from; `levada validate FILE` tells what is wrong with one, all at once, with line and column.

- Keys are in lowerCamelCase, and a key that is not listed here is an error.
- Text that YAML would read as something else stands in quotes: `when: "true"`, `retention: "0"`.
- Booleans are `true` and `false`. A key without a value is an error: leave it out.
- Order matters only within lists. Anchors, aliases and merge keys are expanded; a file may hold
  several manifests, parted by `---`.
- Keys with the limit *cluster only* act with the operator; `levada run` takes them, and they have no
  effect there.
- The default `{}` means that the section is always there, with the defaults of its own keys.
- Unless the table says otherwise, text has at most 1024 characters, a list or map at most 64
  entries.
- `kubectl explain pipeline.spec` shows the same on a cluster.
)";

constexpr std::string_view kSettingsHead = R"(# The operator's settings

<!-- Made from proto/levada/v1/settings.proto by levada-settingsgen. Do not edit: `./dev docs` makes
     it anew, and a test fails when it is stale. -->

What `levada-operator --settings FILE` reads: YAML, as strictly as a manifest, so that an unknown key
ends the operator with file, line and column. The chart makes the file of its values `kafka`,
`settings` and `webhook`; a change of it rolls the operator, and what it changes of workers rolls
them.

- The default `{}` means that the section is always there, with the defaults of its own keys.
- Unless the table says otherwise, text has at most 1024 characters, a list or map at most 64
  entries.
)";

constexpr std::string_view kStatusHead = R"(
## Status

What the operator reports in `status`. It is not part of a manifest: `levada validate` refuses it,
but in what `kubectl get -o yaml` gave.
)";

std::string Cell(std::string_view text) {
  return absl::StrReplaceAll(base::AbslView(text), {{"|", "\\|"}});
}

// The page that describes what stands in `file`, as seen from `from`; empty for the same one.
std::string PageOf(const google::protobuf::FileDescriptor& file,
                   const google::protobuf::FileDescriptor& from) {
  const bool settings = file.name() == kSettingsFile;
  if (settings == (from.name() == kSettingsFile)) return "";
  return settings ? "operator-settings.md" : "pipeline.md";
}

template <typename Type>
std::string Link(const Type& type, const FieldDescriptor& from) {
  return base::StrCat("[", type.name(), "](", PageOf(*type.file(), *from.file()), "#",
                      absl::AsciiStrToLower(type.name()), ")");
}

// All formats are on the page of the manifest.
std::string FormatLink(v1::Format format, const FieldDescriptor& from) {
  if (format == v1::PLAIN) return "text";
  return base::StrCat(
      "[", absl::AsciiStrToLower(absl::StrReplaceAll(v1::Format_Name(format), {{"_", " "}})), "](",
      from.file()->name() == kSettingsFile ? "pipeline.md" : "", "#formats)");
}

std::string ElementType(const FieldDescriptor& field) {
  const Descriptor* message = field.message_type();
  if (IsFreeForm(field)) {
    return field.file()->name().ends_with("/tests.proto") ? "JSON object" : "object of Kubernetes";
  }
  if (message != nullptr) return Link(*message, field);
  if (field.enum_type() != nullptr) return Link(*field.enum_type(), field);
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "boolean";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "number";
    case FieldDescriptor::CPPTYPE_STRING:
      break;
    default:
      return "whole number";
  }
  return FormatLink(RulesOf(field).format(), field);
}

std::string TypeOfField(const FieldDescriptor& field) {
  if (field.is_map()) {
    const FieldDescriptor& value = *field.message_type()->map_value();
    return "map of " + (value.message_type() != nullptr
                            ? ElementType(value)
                            : FormatLink(RulesOf(field).format(), field));
  }
  return field.is_repeated() ? "list of " + ElementType(field) : ElementType(field);
}

std::string Limits(const FieldDescriptor& field) {
  const v1::FieldRules& rules = RulesOf(field);
  std::vector<std::string> limits;
  if (rules.has_min() && rules.has_max()) {
    limits.push_back(FormatBound(rules, rules.min()) + " to " + FormatBound(rules, rules.max()));
  } else if (rules.has_min()) {
    limits.push_back("at least " + FormatBound(rules, rules.min()));
  } else if (rules.has_max()) {
    limits.push_back("at most " + FormatBound(rules, rules.max()));
  }
  if (rules.max_length() > 0) {
    limits.push_back(base::StrCat("at most ", rules.max_length(), " characters"));
  }
  if (rules.max_items() > 0) {
    limits.push_back(base::StrCat("at most ", rules.max_items(), " entries"));
  }
  if (!rules.connection_kind().empty()) {
    limits.push_back(base::StrCat("of the kind `", rules.connection_kind(), "`"));
  }
  if (rules.key_format() != v1::PLAIN) {
    limits.push_back(base::StrCat("keys: ", FormatName(rules.key_format())));
  }
  if (!rules.list_key().empty()) {
    limits.push_back(base::StrCat("no two with the same `", rules.list_key(), "`"));
  }
  if (rules.is_set()) limits.push_back("none twice");
  if (rules.cluster_only()) limits.push_back("*cluster only*");
  return absl::StrJoin(limits, "; ");
}

std::string Default(const FieldDescriptor& field) {
  const v1::FieldRules& rules = RulesOf(field);
  if (rules.required()) return "**required**";
  return rules.default_value().empty() ? "" : base::StrCat("`", rules.default_value(), "`");
}

std::vector<std::string> Keys(const Descriptor& message,
                              const google::protobuf::RepeatedPtrField<std::string>& names) {
  std::vector<std::string> keys;
  for (const std::string& name : names) {
    keys.push_back(base::StrCat("`", KeyOf(*message.FindFieldByName(name)), "`"));
  }
  return keys;
}

void AppendMessage(const Descriptor& message, std::string* out) {
  base::StrAppend(out, "\n## ", message.name(), "\n\n", Comment(message), "\n\n");
  const v1::MessageRules& rules = RulesOf(message);
  if (rules.exactly_one_size() > 0) {
    base::StrAppend(out, "Exactly one of ", absl::StrJoin(Keys(message, rules.exactly_one()), ", "),
                    ".\n\n");
  }
  if (rules.at_least_one_size() > 0) {
    base::StrAppend(out, "At least one of ",
                    absl::StrJoin(Keys(message, rules.at_least_one()), ", "), ".\n\n");
  }
  if (rules.at_most_one_size() > 0) {
    base::StrAppend(out, "At most one of ", absl::StrJoin(Keys(message, rules.at_most_one()), ", "),
                    ".\n\n");
  }
  base::StrAppend(out, "| Key | Type | Default | Limits | Meaning |\n|---|---|---|---|---|\n");
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    base::StrAppend(out, "| `", KeyOf(field), "` | ", TypeOfField(field), " | ",
                    Cell(Default(field)), " | ", Cell(Limits(field)), " | ", Cell(Comment(field)),
                    " |\n");
  }
}

void AppendEnum(const EnumDescriptor& type, std::string* out) {
  base::StrAppend(out, "\n## ", type.name(), "\n\n", Comment(type), "\n\n",
                  "| Value | Meaning |\n|---|---|\n");
  for (int i = 0; i < type.value_count(); ++i) {
    const EnumValueDescriptor& value = *type.value(i);
    if (value.number() == 0) continue;
    base::StrAppend(out, "| `", YamlName(value), "` | ", Cell(ValueComment(value)), " |\n");
  }
}

void AppendFile(const google::protobuf::FileDescriptor& file, std::string* out) {
  for (int i = 0; i < file.message_type_count(); ++i) AppendMessage(*file.message_type(i), out);
  for (int i = 0; i < file.enum_type_count(); ++i) AppendEnum(*file.enum_type(i), out);
}

void AppendFormats(std::string* out) {
  base::StrAppend(out, "\n## Formats\n\n| Format | Expected |\n|---|---|\n");
  const EnumDescriptor& formats = *v1::Format_descriptor();
  for (int i = 1; i < formats.value_count(); ++i) {
    const auto format = static_cast<v1::Format>(formats.value(i)->number());
    const std::string name =
        absl::AsciiStrToLower(absl::StrReplaceAll(v1::Format_Name(format), {{"_", " "}}));
    base::StrAppend(out, "| ", name, " | ", Cell(FormatName(format)), " |\n");
  }
}

}  // namespace

absl::StatusOr<std::string> ReferencePage(std::string_view descriptors) {
  const auto pool = ReadDescriptors(descriptors);
  if (!pool.ok()) return pool.status();
  std::string page(kHead);
  for (const std::string_view name :
       {kManifestFile, kStepsFile, kTestsFile, kClusterFile, kStatusFile}) {
    const google::protobuf::FileDescriptor& file = *(*pool)->FindFileByName(std::string(name));
    if (name == kStatusFile) page += kStatusHead;
    AppendFile(file, &page);
  }
  AppendFormats(&page);
  return page;
}

absl::StatusOr<std::string> SettingsPage(std::string_view descriptors) {
  const auto pool = ReadDescriptors(descriptors);
  if (!pool.ok()) return pool.status();
  std::string page(kSettingsHead);
  AppendFile(*(*pool)->FindFileByName(std::string(kSettingsFile)), &page);
  return page;
}

}  // namespace levada::pipeline
