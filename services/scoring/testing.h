#pragma once

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <string>
#include <string_view>

#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/kafka/client.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/plan.h"
#include "core/runtime/control.h"
#include "core/runtime/metrics.h"
#include "core/runtime/stage.h"
#include "services/scoring/chain.h"

// What the tests of this service share: a stage of a manifest with all that it is made from. Files
// of the manifest are looked for below the root of the repository, where tests run.
namespace levada::scoring {

class TestStage {
 public:
  explicit TestStage(std::string_view manifest, std::string_view stage_name = "score") {
    auto read = pipeline::LoadPipeline(manifest, "test.yaml");
    EXPECT_TRUE(read.ok()) << read.status();
    if (read.ok()) pipeline_ = *std::move(read);
    for (v1::Stage& stage : *pipeline_.mutable_spec()->mutable_stages()) {
      if (stage.name() == stage_name) stage_ = &stage;
    }
    EXPECT_NE(stage_, nullptr) << "no stage " << stage_name;
  }

  const runtime::StageContext& context() {
    static const v1::Stage kNone;
    if (!context_) {
      context_.reset(new runtime::StageContext{pipeline_, stage_ == nullptr ? kNone : *stage_,
                                               secrets_, kafka_, metrics_, registry_, control_});
    }
    return *context_;
  }
  v1::Stage& stage() { return *stage_; }

  // Null, with a failure of the test, where the stage cannot be made.
  std::unique_ptr<Chain> MakeChain() {
    auto chain = Chain::Make(context());
    EXPECT_TRUE(chain.ok()) << chain.status();
    return chain.ok() ? *std::move(chain) : nullptr;
  }

 private:
  v1::Pipeline pipeline_;
  v1::Stage* stage_ = nullptr;
  base::Secrets secrets_;
  kafka::ClientConfig kafka_;
  prometheus::Registry registry_;
  runtime::StageMetrics metrics_{registry_, {}};
  runtime::Control control_;
  std::unique_ptr<runtime::StageContext> context_;
};

// A manifest with the stage `score` from `in` to `out`, whose steps are `steps`, each line indented
// as below `steps:`.
inline std::string ManifestWith(std::string_view steps, std::string_view more_of_stage = "") {
  return base::StrCat(R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in}
  - {name: out}
  stages:
  - name: score
    scoring:
      from: in
      to: out
)",
                      more_of_stage, "      steps:\n", steps);
}

}  // namespace levada::scoring
