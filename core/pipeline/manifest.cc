#include "core/pipeline/manifest.h"

#include <map>
#include <memory>

#include "absl/status/status.h"
#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/pipeline/check.h"
#include "core/pipeline/format.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/reader.h"
#include "core/pipeline/yaml.h"

namespace levada::pipeline {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// What no reader of YAML would take apart sensibly. False where the text cannot be read at all.
bool CheckBytes(const SourceText& source, Problems* problems) {
  const std::string& text = source.text;
  const auto fail = [&](size_t offset, std::string message, std::string hint = "") {
    problems->Add(ProblemAt(source, offset, "", std::move(message), std::move(hint)));
    return false;
  };
  if (text.size() > kMaxManifestBytes) {
    return fail(0, base::StrCat("a manifest has at most ", kMaxManifestBytes, " bytes; this has ",
                                text.size()));
  }
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  for (const char* p = begin; p < end;) {
    const int length = base::Utf8SequenceLength(p, end);
    if (length <= 0) return fail(p - begin, "not UTF-8", "save the file as UTF-8");
    if (*p == '\0') return fail(p - begin, "a NUL character: this is not text");
    p += length;
  }
  return true;
}

const YamlNode* FindText(const YamlNode& document, std::string_view name) {
  for (const auto& [key, value] : document.entries) {
    if (key.text == name && value.kind == YamlNode::Kind::kScalar) return &value;
  }
  return nullptr;
}

// False where the document is something else than a pipeline: there is no point in reading on.
bool CheckKind(const YamlNode& document, Problems* problems) {
  const YamlNode* version = FindText(document, "apiVersion");
  const YamlNode* kind = FindText(document, "kind");
  const auto add = [&](const YamlNode& node, std::string path, std::string message,
                       std::string hint) {
    problems->Add(ProblemAt(*node.span.source, node.span.begin, std::move(path), std::move(message),
                            std::move(hint)));
  };
  if (kind != nullptr && kind->text != kKind && TypeOf(*kind) == ScalarType::kText) {
    add(*kind, "kind", base::StrCat("expected `", kKind, "`, got ", Quote(kind->text)),
        "other resources belong into a file of their own");
    return false;
  }
  if (version != nullptr && version->text != kApiVersion && TypeOf(*version) == ScalarType::kText) {
    add(*version, "apiVersion",
        base::StrCat("expected `", kApiVersion, "`, got ", Quote(version->text)),
        "this is the one version that there is");
  }
  return true;
}

// Two documents of a file that describe the same pipeline: the second would replace the first.
void CheckNames(const std::vector<Document>& documents, Problems* problems) {
  std::map<std::pair<std::string, std::string>, int> seen;
  for (const Document& document : documents) {
    const v1::Metadata& metadata = document.pipeline.metadata();
    if (metadata.name().empty()) continue;
    const std::string space = metadata.namespace_().empty() ? "default" : metadata.namespace_();
    if (seen[{space, metadata.name()}]++ == 0) continue;
    problems->Add(document.source.At("metadata.name",
                                     base::StrCat("a second pipeline ", Quote(metadata.name()),
                                                  " in the same file and namespace")));
  }
}

}  // namespace

Manifests ReadManifests(std::string_view text, std::string_view file) {
  Manifests manifests;
  Problems& problems = manifests.problems;
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const auto source = std::make_shared<const SourceText>(file, text);
  if (!CheckBytes(*source, &problems)) return manifests;
  const std::vector<YamlNode> documents = ParseYaml(source, &problems);
  if (documents.empty() && problems.empty()) {
    problems.Add(ProblemAt(*source, 0, "", "there is no manifest in it",
                           "see manifests/samples for what one looks like"));
  }
  for (const YamlNode& node : documents) {
    if (!CheckKind(node, &problems)) continue;
    Document& document = manifests.documents.emplace_back();
    document.source.Set("", node.span, node.span);
    Reader(&document.source, &problems).ReadMessage(node, "", &document.pipeline);
  }
  CheckNames(manifests.documents, &problems);
  problems.Sort();
  return manifests;
}

absl::StatusOr<v1::Pipeline> LoadPipeline(std::string_view text, std::string_view file) {
  Manifests manifests = ReadManifests(text, file);
  for (const Document& document : manifests.documents) {
    manifests.problems.Append(Check(document));
  }
  manifests.problems.Sort();
  if (manifests.problems.HasErrors()) {
    return absl::InvalidArgumentError(manifests.problems.ToText());
  }
  if (manifests.documents.size() != 1) {
    return absl::InvalidArgumentError(
        base::StrCat(file, ": expected one pipeline, found ", manifests.documents.size()));
  }
  v1::Pipeline pipeline = std::move(manifests.documents.front().pipeline);
  ApplyDefaults(&pipeline);
  return pipeline;
}

}  // namespace levada::pipeline
