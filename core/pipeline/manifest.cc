#include "core/pipeline/manifest.h"

#include <charconv>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "core/base/strings.h"
#include "core/base/utf8.h"
#include "core/pipeline/check.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/format.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/reader.h"
#include "core/pipeline/rules.h"
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

// The code unit that `text` has at `at` as a JSON escape (\uD83D); -1 where there is none.
int64_t Utf16Escape(std::string_view text, size_t at) {
  uint32_t unit = 0;
  if (text.substr(at, 2) != "\\u" || text.size() < at + 6) return -1;
  const std::string_view digits = text.substr(at + 2, 4);
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), unit, 16);
  return error == std::errc() && end == digits.end() ? static_cast<int64_t>(unit) : -1;
}

// JSON may write a character beyond U+FFFF as two escapes, which YAML does not know: such pairs
// become the character itself. All else is JSON to YAML as well.
std::string JoinSurrogates(std::string_view json) {
  std::string out;
  for (size_t at = 0; at < json.size();) {
    const int64_t high = Utf16Escape(json, at);
    const int64_t low = high < 0 ? -1 : Utf16Escape(json, at + 6);
    if (high >= 0xD800 && high < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
      char character[4];
      const auto code = static_cast<uint32_t>(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
      out.append(character, base::EncodeUtf8(code, character));
      at += 12;
    } else {
      const size_t width = json[at] == '\\' ? 2 : 1;  // an escaped backslash begins no escape
      out += json.substr(at, width);
      at += width;
    }
  }
  return out;
}

bool IsJson(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == '{';
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

// A list of resources, as `kubectl get -o yaml` writes it, and as the API server answers.
bool IsList(const YamlNode& document) {
  const YamlNode* kind = FindText(document, "kind");
  return kind != nullptr && (kind->text == "List" || kind->text == base::StrCat(kKind, "List"));
}

// The items of a list; what else is in it is the API server's and says nothing of a pipeline.
const std::vector<YamlNode>& ItemsOf(const YamlNode& list, Problems* problems) {
  static const std::vector<YamlNode> kNone;
  const YamlNode* found = &list;  // for messages: where the items should be
  for (const auto& [key, value] : list.entries) {
    if (key.text == "items") {
      if (value.kind == YamlNode::Kind::kSequence) return value.items;
      found = &value;
    } else if (key.text != "apiVersion" && key.text != "kind" && key.text != "metadata") {
      problems->Add(ProblemAt(*key.span.source, key.span.begin, key.text,
                              base::StrCat("unknown key ", Quote(key.text)),
                              "a list has its pipelines in `items`"));
    }
  }
  problems->Add(ProblemAt(*found->span.source, found->span.begin, found == &list ? "" : "items",
                          found == &list
                              ? "the key `items` is missing"
                              : base::StrCat("expected a list, got ", Describe(*found))));
  return kNone;
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

// The documents of a text; none, and a problem, where it cannot be read.
std::vector<YamlNode> ReadDocuments(std::string_view text, std::string_view file,
                                    Problems* problems) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const bool pairs = IsJson(text) && text.find("\\u") != text.npos;
  const auto source =
      std::make_shared<const SourceText>(file, pairs ? JoinSurrogates(text) : std::string(text));
  if (!CheckBytes(*source, problems)) return {};
  std::vector<YamlNode> documents = ParseYaml(source, problems);
  if (documents.empty() && problems->empty()) {
    problems->Add(ProblemAt(*source, 0, "", "there is no manifest in it",
                            "see manifests/samples for what one looks like"));
  }
  return documents;
}

}  // namespace

Manifests ReadManifests(std::string_view text, std::string_view file) {
  Manifests manifests;
  Problems& problems = manifests.problems;
  const std::vector<YamlNode> documents = ReadDocuments(text, file, &problems);
  const auto read = [&](const YamlNode& node) {
    if (!CheckKind(node, &problems)) return;
    Document& document = manifests.documents.emplace_back();
    document.source.Set("", node.span, node.span);
    Reader(&document.source, &problems).ReadMessage(node, "", &document.pipeline);
  };
  for (const YamlNode& node : documents) {
    if (!IsList(node)) {
      read(node);
      continue;
    }
    const std::vector<YamlNode>& items = ItemsOf(node, &problems);
    for (const YamlNode& item : items) read(item);
    if (items.empty() && problems.empty()) {
      problems.Add(ProblemAt(*node.span.source, node.span.begin, "", "there is no pipeline in it"));
    }
  }
  CheckNames(manifests.documents, &problems);
  problems.Sort();
  return manifests;
}

absl::Status LoadMessage(std::string_view text, std::string_view file,
                         google::protobuf::Message* message) {
  Problems problems;
  const std::vector<YamlNode> documents = ReadDocuments(text, file, &problems);
  if (!documents.empty()) {
    SourceMap source;
    source.Set("", documents[0].span, documents[0].span);
    Reader(&source, &problems).ReadMessage(documents[0], "", message);
    CheckStructure(*message, source, &problems);
    if (documents.size() > 1) {
      problems.Add(ProblemAt(*documents[1].span.source, documents[1].span.begin, "",
                             "a second document: one is expected"));
    }
  }
  problems.Sort();
  if (problems.HasErrors()) return absl::InvalidArgumentError(problems.ToText());
  FillDefaults(message);
  return absl::OkStatus();
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
