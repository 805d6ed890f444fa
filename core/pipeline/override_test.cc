#include "core/base/strings.h"
#include "core/pipeline/testing.h"
#include "gmock/gmock.h"

namespace levada::pipeline {
namespace {

using testing::HasSubstr;

class OverrideTest : public testing::Test {
 protected:
  // What is wrong with the good manifest once the override is in.
  std::string Set(std::string_view text) {
    ApplyOverride(text, &document_, &problems_);
    problems_.Append(Check(document_));
    problems_.Sort();
    return problems_.ToText();
  }
  v1::PipelineSpec& spec() { return *document_.pipeline.mutable_spec(); }

  Document document_ = ReadManifests(kGoodManifest, "good.yaml").documents.at(0);
  Problems problems_;
};

TEST_F(OverrideTest, SetsTextNumbersAndSections) {
  EXPECT_EQ(Set("spec.connections.search.opensearch.url=http://other:9200"), "");
  EXPECT_EQ(spec().connections().at("search").opensearch().url(), "http://other:9200");
  EXPECT_EQ(Set("spec.topics[name=orders].partitions=12"), "");
  EXPECT_EQ(spec().topics(0).partitions(), 12u);
  EXPECT_EQ(Set("spec.topics[1].retention=7d"), "");
  EXPECT_EQ(spec().topics(1).retention(), "7d");
  EXPECT_EQ(Set("spec.deadLetters={topic: bad.ones, partitions: 2}"), "");
  EXPECT_EQ(spec().dead_letters().partitions(), 2u);
  EXPECT_EQ(Set("spec.stages[name=alert].notify.email.to=[b@example.com, c@example.com]"), "");
  EXPECT_EQ(spec().stages(2).notify().email().to(1), "c@example.com");
  EXPECT_EQ(Set("spec.stages[name=alert].notify.email.to[1]=d@example.com"), "");
  EXPECT_EQ(spec().stages(2).notify().email().to(1), "d@example.com");
  EXPECT_EQ(Set("spec.stages[name=score].scoring.serve.port=18081"), "");
  EXPECT_EQ(spec().stages(1).scoring().serve().port(), 18081u);
}

TEST_F(OverrideTest, TakesTextAsItIs) {
  EXPECT_EQ(Set("metadata.labels.version=17"), "");
  EXPECT_EQ(document_.pipeline.metadata().labels().at("version"), "17");
  EXPECT_EQ(Set("metadata.annotations[example.com/on]=true"), "");
  EXPECT_EQ(document_.pipeline.metadata().annotations().at("example.com/on"), "true");
  EXPECT_EQ(Set("spec.stages[1].scoring.steps[0].filter=amount == 1 && id != \"a=b\""), "");
  EXPECT_EQ(spec().stages(1).scoring().steps(0).filter(), "amount == 1 && id != \"a=b\"");
}

TEST_F(OverrideTest, ReplacesAnElementOfAList) {
  EXPECT_EQ(Set("spec.topics[1]={name: scored, partitions: 5}"), "");
  ASSERT_EQ(spec().topics_size(), 2);
  EXPECT_EQ(spec().topics(1).partitions(), 5u);
  EXPECT_EQ(spec().topics(0).name(), "orders");
}

TEST_F(OverrideTest, AddsAConnection) {
  EXPECT_EQ(Set("spec.connections.kafka={kafka: {brokers: \"a:9092,b:9092\"}}"), "");
  EXPECT_EQ(spec().connections().at("kafka").kafka().brokers(), "a:9092,b:9092");
}

TEST_F(OverrideTest, PointsAtTheFlag) {
  EXPECT_EQ(Set("spec.topics[name=orders].partitions=many"),
            "--set:1:37: spec.topics[0].partitions: expected a whole number, got text `many`\n");
}

TEST_F(OverrideTest, PointsIntoAnExpressionOfTheFlag) {
  EXPECT_THAT(Set("spec.stages[1].scoring.steps[0].filter=amount > true"),
              HasSubstr("--set:1:47: spec.stages[1].scoring.steps[0].filter: "));
}

TEST_F(OverrideTest, ChecksWhatComesOfIt) {
  EXPECT_THAT(Set("spec.stages[name=alert].notify.webhook.via=hook"),
              HasSubstr("`webhook` beside `email`"));
}

TEST_F(OverrideTest, TellsWhatIsWrongWithThePath) {
  const auto problem = [](std::string_view text) {
    Document document = ReadManifests(kGoodManifest, "good.yaml").documents.at(0);
    Problems problems;
    ApplyOverride(text, &document, &problems);
    return problems.ToText();
  };
  EXPECT_THAT(problem("spec.topics"), HasSubstr("--set:1:1: expected PATH=VALUE"));
  EXPECT_THAT(
      problem("spec.topcis[0].name=a"),
      HasSubstr("--set:1:6: spec.topcis: unknown key `topcis`\n    did you mean `topics`?"));
  EXPECT_THAT(problem("spec.topics[name=order].name=a"),
              HasSubstr("no element with name=order\n    did you mean `orders`?"));
  EXPECT_THAT(problem("spec.topics[7].name=a"), HasSubstr("there are 2 elements"));
  EXPECT_THAT(problem("spec.topics[-1].name=a"), HasSubstr("there are 2 elements"));
  EXPECT_THAT(problem("spec.topics[x].name=a"), HasSubstr("expected [0] or [name=…]"));
  EXPECT_THAT(problem("spec.topics[0=a"), HasSubstr("expected PATH=VALUE"));
  EXPECT_THAT(problem("spec..topics=a"), HasSubstr("--set:1:6: expected a key"));
  EXPECT_THAT(problem("spec.topics.name=a"), HasSubstr("expected an element of the list"));
  EXPECT_THAT(problem("kind[0]=a"), HasSubstr("neither a list nor a map"));
  EXPECT_THAT(problem("kind.x=a"), HasSubstr("there is nothing below this"));
  EXPECT_THAT(problem("spec.topics=[a"), HasSubstr("--set:1:"));
  EXPECT_THAT(problem("spec.topics="), HasSubstr("expected a list, got nothing"));
  EXPECT_THAT(problem("spec.connections.A_B={}"), HasSubstr("expected a name"));
  EXPECT_THAT(problem("kind=\xFF"), HasSubstr("not UTF-8"));
}

}  // namespace
}  // namespace levada::pipeline
