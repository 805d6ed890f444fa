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
  TestStage stage(ManifestWith(
      R"(      - features: {by: [k], over: [1m], lateness: 1s, set: [{name: seen, value: count()}]}
      - window: {by: [k], tumbling: 1m, lateness: 1s, set: [{name: count, value: count()}]}
)"));
  const auto chain = stage.MakeChain();
  ASSERT_NE(chain, nullptr);
  chain->state()->Assign(0, 1);
  chain->state()->Restored(0);
  OutputBatch out;
  const auto process = [&](int64_t time_ms) {
    const Batch batch = Batch::FromValues("in", {R"({"k":"a"})"}, 0, time_ms);
    ASSERT_TRUE(chain->Process(batch, &out).ok());
    EXPECT_TRUE(out.dead_letters().empty());
    ASSERT_TRUE(chain->state()->Tick(time_ms, &out).ok());
  };
  constexpr int64_t kBeginMs = 1'777'636'800'000;
  process(kBeginMs);
  process(kBeginMs + 300'000);
  EXPECT_EQ(stage.context().metrics.Read().late_events, 0u);
  process(kBeginMs + 30'000);
  EXPECT_EQ(stage.context().metrics.Read().late_events, 2u) << "for the feature and the window";
}

}  // namespace
}  // namespace levada::scoring
