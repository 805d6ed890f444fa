#include "core/pipeline/resource_json.h"

#include <google/protobuf/util/message_differencer.h>

#include "core/pipeline/testing.h"
#include "levada/v1/status.pb.h"

namespace levada::pipeline {
namespace {

using google::protobuf::util::MessageDifferencer;

TEST(ResourceJsonTest, WritesTheNamesOfTheManifest) {
  v1::PipelineStatus status;
  status.set_phase(v1::PHASE_RUNNING);
  status.set_lag(int64_t{1} << 40);
  status.add_stages()->set_name("score");
  status.mutable_stages(0)->set_events_per_second(2.5);
  EXPECT_EQ(ToJson(status), R"({"lag":1099511627776,"phase":"Running",)"
                            R"("stages":[{"eventsPerSecond":2.5,"name":"score"}]})");
  v1::PipelineStatus again;
  ASSERT_TRUE(FromJson(ToJson(status), &again).ok());
  EXPECT_TRUE(MessageDifferencer::Equals(status, again));
}

TEST(ResourceJsonTest, AManifestComesBackAsItWas) {
  for (const char* name : {"manifests/samples/fraud-prevention.yaml"}) {
    const Manifests manifests = ReadManifests(ReadTestFile(name), name);
    v1::Pipeline again;
    ASSERT_TRUE(FromJson(ToJson(manifests.documents.at(0).pipeline), &again).ok());
    EXPECT_TRUE(MessageDifferencer::Equals(manifests.documents[0].pipeline, again));
    const Manifests read = ReadManifests(ToJson(again), name);
    EXPECT_EQ(read.problems.ToText(), "");
    EXPECT_TRUE(MessageDifferencer::Equals(read.documents.at(0).pipeline, again));
  }
}

TEST(ResourceJsonTest, TakesAWholeNumberForAQuantity) {
  v1::PodSettings pod;
  const char* const json = R"({"resources": {"requests": {"cpu": 2, "memory": "1Gi"}},
                               "affinity": {"a": [1, true, "x", {"b": null}]}})";
  ASSERT_TRUE(FromJson(json, &pod).ok());
  EXPECT_EQ(pod.resources().requests().at("cpu"), "2");
  EXPECT_EQ(pod.affinity().fields().at("a").list_value().values_size(), 4);
}

TEST(ResourceJsonTest, PassesOverWhatANewerVersionWrote) {
  v1::PipelineStatus status;
  ASSERT_TRUE(FromJson(R"({"phase": "Sleeping", "mood": {}, "lag": 3})", &status).ok());
  EXPECT_EQ(status.phase(), v1::PHASE_UNSPECIFIED);
  EXPECT_EQ(status.lag(), 3);
}

TEST(ResourceJsonTest, RefusesAnotherType) {
  v1::PipelineStatus status;
  for (const char* const json : {"", "[]", "3", R"({"lag": "3"})", R"({"stages": {}})",
                                 R"({"stages": [3]})", R"({"phase": 1})"}) {
    EXPECT_EQ(FromJson(json, &status).code(), absl::StatusCode::kInvalidArgument) << json;
  }
}

}  // namespace
}  // namespace levada::pipeline
