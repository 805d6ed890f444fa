#include "services/scoring/probe.h"

#include <gmock/gmock.h>
#include <prometheus/text_serializer.h>

#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

using testing::HasSubstr;

TEST(ProbeTest, CountsDecisionsByRuleAndPredictionsByTheirSize) {
  TestStage stage(ManifestWith(
      R"(      - model: {xgboost: models/fraud/fraud.json, inputs: [a, a, a, a, a], scale: 1000}
      - rules:
          rules:
          - {name: high, when: a > 9, outcome: block}
          - {name: middle, when: a > 5, outcome: review}
)"));
  const auto chain = stage.MakeChain();
  ASSERT_NE(chain, nullptr);
  OutputBatch out;
  const Batch batch = Batch::FromValues(
      "in", {R"({"a":10})", R"({"a":7})", R"({"a":6})", R"({"a":1})", R"({"a":"x"})"}, 0,
      1'793'606'400'000);
  ASSERT_TRUE(chain->Process(batch, &out).ok());
  ASSERT_EQ(out.records().size(), 4u);
  const std::string text =
      prometheus::TextSerializer().Serialize(stage.context().registry.Collect());
  for (const char* sample :
       {R"(outcome="block",rule="high"} 1)", R"(outcome="review",rule="middle"} 2)",
        R"(outcome="none",rule="none"} 1)"}) {
    EXPECT_THAT(text, HasSubstr(sample));
  }
  EXPECT_THAT(text, HasSubstr("levada_scoring_prediction_count{"));
  EXPECT_THAT(text, HasSubstr(R"(as="score"} 4)"));
  EXPECT_THAT(text, HasSubstr(R"(as="score",le="1"} 4)")) << "of what is not yet scaled";
}

TEST(ProbeTest, EventsTooLateForAWindowOrAFeatureCountInTheStatusToo) {
  TestStage stage(R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, key: k, timestamp: at, fields: [{name: at, type: timestamp, required: true}, {name: k, type: string}]}
  - {name: out}
  stages:
  - name: score
    scoring:
      from: in
      to: out
      steps:
      - features: {by: [k], over: [1m], lateness: 1s, set: [{name: seen, value: count()}]}
      - window: {by: [k], tumbling: 1m, lateness: 1s, set: [{name: count, value: count()}]}
)");
  const auto chain = stage.MakeChain();
  ASSERT_NE(chain, nullptr);
  chain->state()->Assign(0, 1);
  chain->state()->Restored(0);
  OutputBatch out;
  const auto process = [&](const char* time) {
    const Batch batch = Batch::FromValues(
        "in", {base::StrCat(R"({"k":"a","at":"2026-05-01T)", time, R"("})")}, 0, 1'777'636'800'000);
    ASSERT_TRUE(chain->Process(batch, &out).ok());
    EXPECT_TRUE(out.dead_letters().empty());
    ASSERT_TRUE(chain->state()->Tick(1'777'636'800'000, &out).ok());
  };
  process("11:00:00Z");
  process("11:05:00Z");
  EXPECT_EQ(stage.context().metrics.Read().late_events, 0u);
  process("11:00:30Z");
  EXPECT_EQ(stage.context().metrics.Read().late_events, 2u) << "for the feature and the window";
}

}  // namespace
}  // namespace levada::scoring
