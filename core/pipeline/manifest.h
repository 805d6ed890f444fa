#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/pipeline/problem.h"
#include "core/pipeline/source_map.h"
#include "levada/v1/pipeline.pb.h"

// Reads Pipeline manifests: YAML (and so JSON), strictly, all problems at once.
//
//   Manifests manifests = ReadManifests(text, "fraud.yaml");
//   for (Document& document : manifests.documents) {
//     ApplyOverride("spec.topics[name=transactions].partitions=12", &document,
//                   &manifests.problems);
//     manifests.problems.Append(Check(document));                 // core/pipeline/check.h
//   }
//   manifests.problems.Sort();
//
// or, for one manifest that is to be run: LoadPipeline().
//
// What the reader takes is what the Kubernetes API server makes of the same text, so that a
// manifest means one thing. The API server turns YAML 1.1 into JSON; hence
//   - where text is expected, a plain scalar that YAML reads as a boolean, a number or null is an
//     error that asks for quotes (`when: true`, `name: on`, `retention: 0`);
//   - booleans are `true` and `false`, numbers are decimal;
//   - a key without a value is an error (the API server drops it);
//   - duplicate keys are errors;
//   - what the API server adds to a resource (`status`, `metadata.uid`, …) is passed over;
//   - a `List`, which `kubectl get -o yaml` writes, is its items.
// Anchors, aliases and merge keys are expanded, within the bounds of core/pipeline/yaml.h.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

inline constexpr std::string_view kApiVersion = "levada.dev/v1alpha1";
inline constexpr std::string_view kKind = "Pipeline";

inline constexpr size_t kMaxManifestBytes = 1 << 20;

// One document of a file: what could be read of it, and where it was written.
struct Document {
  v1::Pipeline pipeline;
  SourceMap source;
};

struct Manifests {
  std::vector<Document> documents;
  Problems problems;
};

// Reads all documents of `text`. `file` is only named in problems. Documents with problems are
// returned as far as they could be read, so that Check finds what else is wrong.
Manifests ReadManifests(std::string_view text, std::string_view file);

// Applies `PATH=VALUE`, as `--set` has it, to a document. In PATH a list's element is chosen by
// index or by one of its fields: `spec.stages[0].name`, `spec.topics[name=transactions].retention`.
// VALUE is text where the field is text, else YAML (`3`, `true`, `[a, b]`, `{port: 25}`).
void ApplyOverride(std::string_view text, Document* document, Problems* problems);

// The one pipeline of `text`, checked, defaults applied. InvalidArgument with the rendered problems
// otherwise. This is how a worker reads its slice.
absl::StatusOr<v1::Pipeline> LoadPipeline(std::string_view text, std::string_view file);

// Fills `message`, of any type of the schema, from the one document of `text`: as strictly as a
// manifest is read, what is required is there, defaults are applied. InvalidArgument with all
// problems otherwise. This is how the operator reads its settings.
absl::Status LoadMessage(std::string_view text, std::string_view file,
                         google::protobuf::Message* message);

// The manifest as YAML: deterministic, and ReadManifests gives back the same message.
std::string ToYaml(const v1::Pipeline& pipeline);

}  // namespace levada::pipeline
