#include "operator/webhook/review.h"

#include <gmock/gmock.h>

#include "core/base/strings.h"
#include "operator/kube/object.h"

namespace levada::webhook {
namespace {

using kube::Json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Json Pipeline() {
  return Json::parse(R"({
    "apiVersion": "levada.dev/v1alpha1", "kind": "Pipeline",
    "metadata": {"name": "shop", "namespace": "team", "uid": "1", "generation": 1},
    "spec": {
      "topics": [{"name": "orders", "partitions": 4, "key": "customer"}],
      "deadLetters": {"partitions": 2},
      "stages": [
        {"name": "gate", "ingest": {"http": {"path": "/orders"}, "to": "orders"}},
        {"name": "keep", "archiving": {"from": "orders", "ndjson": {"folder": "orders"}}}]}})");
}

Json ReviewOf(const std::string& operation, const Json& object, const Json& old = nullptr) {
  return {{"apiVersion", "admission.k8s.io/v1"},
          {"kind", "AdmissionReview"},
          {"request",
           {{"uid", "705ab4f5"},
            {"kind", {{"group", "levada.dev"}, {"version", "v1alpha1"}, {"kind", "Pipeline"}}},
            {"namespace", "team"},
            {"name", "shop"},
            {"operation", operation},
            {"object", object},
            {"oldObject", old}}}};
}

// The `response` of the answer.
Json Response(const Json& review) {
  const auto answer = Review(review.dump());
  EXPECT_TRUE(answer.ok()) << answer.status();
  const Json body = Json::parse(answer->body);
  EXPECT_EQ(body["apiVersion"], "admission.k8s.io/v1");
  EXPECT_EQ(body["kind"], "AdmissionReview");
  EXPECT_EQ(body["response"]["uid"], "705ab4f5");
  EXPECT_EQ(body["response"]["allowed"], answer->allowed);
  return body["response"];
}

std::vector<std::string> FieldsOf(const Json& response) {
  std::vector<std::string> fields;
  if (response["allowed"] == true) return fields;
  for (const Json& cause : response["status"]["details"]["causes"])
    fields.push_back(cause["field"]);
  return fields;
}

std::string Warnings(const Json& response) {
  std::string text;
  for (const Json& warning : response.value("warnings", Json::array())) {
    text += warning.get<std::string>() + "\n";
  }
  return text;
}

TEST(ReviewTest, WhatIsRightGoesThrough) {
  const Json response = Response(ReviewOf("CREATE", Pipeline()));
  EXPECT_EQ(response["allowed"], true);
  EXPECT_FALSE(response.contains("status"));
}

TEST(ReviewTest, EveryProblemIsToldWithItsPath) {
  Json bad = Pipeline();
  bad["spec"]["stages"][0]["ingest"]["to"] = "order";
  bad["spec"]["stages"][1]["archiving"]["from"] = "nothing";
  bad["spec"]["stages"].push_back(Json::parse(
      R"({"name": "s", "scoring": {"from": "orders", "to": "orders", "steps": [{"filter": "a >"}]}})"));
  const Json response = Response(ReviewOf("CREATE", bad));
  EXPECT_EQ(response["allowed"], false);
  const Json& status = response["status"];
  EXPECT_EQ(status["code"], 422);
  EXPECT_EQ(status["reason"], "Invalid");
  EXPECT_EQ(status["details"]["kind"], "Pipeline");
  EXPECT_EQ(status["details"]["name"], "shop");
  EXPECT_THAT(FieldsOf(response),
              testing::IsSupersetOf({"spec.stages[0].ingest.to", "spec.stages[1].archiving.from",
                                     "spec.stages[2].scoring.steps[0].filter"}));
  EXPECT_THAT(status["message"].get<std::string>(), HasSubstr("did you mean `orders`?"))
      << "the hint";
}

TEST(ReviewTest, WarningsGoWithWhatIsAllowed) {
  Json odd = Pipeline();
  odd["spec"]["stages"][0]["replicas"] = 2;
  odd["spec"]["topics"].push_back({{"name", "unused"}});
  const Json response = Response(ReviewOf("CREATE", odd));
  EXPECT_EQ(response["allowed"], true);
  EXPECT_THAT(Warnings(response), HasSubstr("spec.topics[1]"));
}

TEST(ReviewTest, WarningsAreShortAndFew) {
  Json odd = Pipeline();
  for (int i = 0; i < 40; ++i) {
    odd["spec"]["topics"].push_back({{"name", base::StrCat(std::string(230, 'u'), i)}});
  }
  const Json response = Response(ReviewOf("CREATE", odd));
  EXPECT_EQ(response["warnings"].size(), 16u);
  for (const Json& warning : response["warnings"]) {
    EXPECT_LE(warning.get<std::string>().size(), 256u);
  }
}

TEST(ReviewTest, AnInvalidPipelineIsNotHeldWhereItsSpecStays) {
  Json bad = Pipeline();
  bad["spec"]["stages"][0]["ingest"]["to"] = "order";
  Json labelled = bad;
  labelled["metadata"]["labels"] = {{"team", "shop"}};
  EXPECT_EQ(Response(ReviewOf("UPDATE", labelled, bad))["allowed"], true);
  // Its finalizer comes off, whatever else is changed with it.
  Json ending = bad;
  ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  ending["spec"]["stages"][0]["ingest"]["to"] = "another";
  EXPECT_EQ(Response(ReviewOf("UPDATE", ending, bad))["allowed"], true);
  Json status = ReviewOf("UPDATE", ending, bad);
  status["request"]["object"]["metadata"].erase("deletionTimestamp");
  EXPECT_EQ(Response(status)["allowed"], false);
  status["request"]["subResource"] = "status";
  EXPECT_EQ(Response(status)["allowed"], true);
  EXPECT_EQ(Response(ReviewOf("DELETE", nullptr, bad))["allowed"], true);
}

TEST(ReviewTest, StatusAndManagedFieldsAreNotLookedAt) {
  Json read = Pipeline();
  read["metadata"]["managedFields"] = Json::array({{{"manager", std::string(2 << 20, 'm')}}});
  read["status"] = {{"phase", std::string(2 << 20, 'p')}};
  Json edited = read;
  edited["spec"]["paused"] = true;
  EXPECT_EQ(Response(ReviewOf("UPDATE", edited, read))["allowed"], true);
}

TEST(ReviewTest, NoTopicLosesPartitionsNotByADefaultEither) {
  Json after = Pipeline();
  after["spec"].erase("deadLetters");
  after["spec"]["topics"][0].erase("partitions");
  EXPECT_THAT(
      FieldsOf(Response(ReviewOf("UPDATE", after, Pipeline()))),
      testing::UnorderedElementsAre("spec.deadLetters.partitions", "spec.topics[0].partitions"));
}

TEST(ReviewTest, AVolumeStaysWhatItIs) {
  const auto with = [](const char* volume) {
    Json pipeline = Pipeline();
    pipeline["spec"]["stages"][1]["pod"] = {{"volume", Json::parse(volume)}};
    return pipeline;
  };
  // 10Gi and ReadWriteOnce by default, which the CRD's rules do not know.
  EXPECT_THAT(FieldsOf(Response(ReviewOf("UPDATE", with(R"({"size": "5Gi"})"), Pipeline()))),
              ElementsAre("spec.stages[1].pod.volume.size"));
  EXPECT_THAT(FieldsOf(Response(ReviewOf("UPDATE", Pipeline(), with(R"({"size": "20Gi"})")))),
              ElementsAre("spec.stages[1].pod.volume.size"));
  EXPECT_THAT(FieldsOf(Response(ReviewOf(
                  "UPDATE", with(R"({"accessMode": "ReadWriteMany", "storageClassName": "fast"})"),
                  Pipeline()))),
              ElementsAre("spec.stages[1].pod.volume.storageClassName",
                          "spec.stages[1].pod.volume.accessMode"));
  EXPECT_THAT(FieldsOf(Response(ReviewOf("UPDATE", with(R"({"size": "10240Mi"})"), Pipeline()))),
              IsEmpty());
  EXPECT_THAT(FieldsOf(Response(ReviewOf("UPDATE", with(R"({"claim": "mine"})"), Pipeline()))),
              IsEmpty());
}

TEST(ReviewTest, WhatAChangeDoesNotDoIsSaid) {
  Json before = Pipeline();
  before["spec"]["topics"].push_back({{"name", "table"}, {"compacted", true}, {"key", "id"}});
  before["spec"]["topics"].push_back({{"name", "gone"}});
  Json after = before;
  after["spec"]["topics"].erase(2);
  after["spec"]["topics"][1]["partitions"] = 3;
  const std::string warnings = Warnings(Response(ReviewOf("UPDATE", after, before)));
  EXPECT_THAT(warnings, HasSubstr("`gone` is no longer declared"));
  EXPECT_THAT(warnings, HasSubstr("spec.topics[1].partitions: stays at 1 partitions unless "
                                  "annotated levada.dev/accept-repartition: table=3"));
  after["metadata"]["annotations"] = {{"levada.dev/accept-repartition", "table=3"}};
  EXPECT_THAT(Warnings(Response(ReviewOf("UPDATE", after, before))),
              testing::Not(HasSubstr("table=3")));
}

TEST(ReviewTest, OfAPipelineThatWasInvalidAnyChangeIsTaken) {
  Json before = Pipeline();
  before["spec"]["stages"][0]["ingest"]["to"] = "order";
  Json after = Pipeline();
  after["spec"]["deadLetters"]["partitions"] = 1;
  EXPECT_EQ(Response(ReviewOf("UPDATE", after, before))["allowed"], true);
}

TEST(ReviewTest, WhatIsNoReviewIsNotAnswered) {
  const auto problem = [](std::string_view body) {
    return std::string(Review(body).status().message());
  };
  EXPECT_EQ(problem("{"), "not JSON");
  EXPECT_EQ(problem("{\"a\": \"\xff\"}"), "not JSON");
  EXPECT_THAT(problem("{}"), HasSubstr("expected an AdmissionReview"));
  Json review = ReviewOf("CREATE", Pipeline());
  review["request"].erase("uid");
  EXPECT_THAT(problem(review.dump()), HasSubstr("request.uid"));
  review = ReviewOf("CREATE", Pipeline());
  review["request"]["kind"]["kind"] = "Pod";
  EXPECT_THAT(problem(review.dump()), HasSubstr("a Pipeline"));
  review["request"] = Json::array();
  EXPECT_THAT(problem(review.dump()), HasSubstr("request.uid"));
  EXPECT_EQ(problem(std::string(1 << 20, '[')), "nested too deeply");
}

TEST(ReviewTest, BracketsInTextsAreNoNesting) {
  Json pipeline = Pipeline();
  pipeline["metadata"]["annotations"] = {{"a", std::string(2000, '[') + "\\\"" + "{\"["}};
  EXPECT_EQ(Response(ReviewOf("CREATE", pipeline))["allowed"], true);
}

TEST(ReviewTest, ADeepObjectIsRefusedAsTheReaderRefusesIt) {
  Json pipeline = Pipeline();
  Json deep = "x";
  for (int i = 0; i < 300; ++i) deep = Json::object({{"a", deep}});
  pipeline["spec"]["stages"][0]["pod"] = {{"affinity", deep}};
  EXPECT_EQ(Response(ReviewOf("CREATE", pipeline))["allowed"], false);
}

}  // namespace
}  // namespace levada::webhook
