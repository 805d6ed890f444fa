#include <google/protobuf/util/message_differencer.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/pipeline/check.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/plan.h"

// Any bytes: read and checked without a crash. What is right compiles to a plan, and what is
// written reads back to the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace pipeline = levada::pipeline;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  pipeline::Manifests manifests = pipeline::ReadManifests(text, "fuzz.yaml");
  for (const pipeline::Document& document : manifests.documents) {
    pipeline::Problems problems = pipeline::Check(document);
    problems.Append(manifests.problems);
    (void)problems.ToText();
    (void)problems.ToJson();
    if (problems.HasErrors()) continue;
    const std::string yaml = pipeline::ToYaml(document.pipeline);
    const pipeline::Manifests again = pipeline::ReadManifests(yaml, "again.yaml");
    if (again.documents.size() != 1 || again.problems.HasErrors() ||
        !google::protobuf::util::MessageDifferencer::Equals(document.pipeline,
                                                            again.documents[0].pipeline)) {
      std::abort();
    }
    for (const pipeline::PlannedStage& stage : pipeline::Compile(document.pipeline).stages) {
      if (!pipeline::LoadPipeline(stage.slice_yaml, "slice.yaml").ok()) std::abort();
    }
  }
  return 0;
}
