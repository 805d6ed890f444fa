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

}  // namespace
}  // namespace levada::scoring
