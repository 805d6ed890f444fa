#include "operator/controller/status.h"

#include <gtest/gtest.h>

namespace levada::controller {
namespace {

using kube::Json;

constexpr int64_t kNow = 1'700'000'000'000'000;
constexpr int64_t kLater = kNow + 60'000'000;

Json Pipeline(int64_t generation = 1) {
  return {{"metadata", {{"name", "shop"}, {"namespace", "web"}, {"generation", generation}}}};
}

Json Deployment(int wanted, int updated, int ready, int all) {
  return {{"metadata", {{"name", "shop-detect"}, {"generation", 2}}},
          {"spec", {{"replicas", wanted}}},
          {"status",
           {{"observedGeneration", 2},
            {"replicas", all},
            {"updatedReplicas", updated},
            {"readyReplicas", ready}}}};
}

StageFacts Stage(Json deployment, int replicas = 2) {
  StageFacts stage;
  stage.name = "detect";
  stage.kind = "scoring";
  stage.slice_hash = "abc";
  stage.replicas = replicas;
  stage.deployment = std::move(deployment);
  return stage;
}

class StatusTest : public testing::Test {
 protected:
  StatusTest() {
    checked_.valid = true;
    facts_.checked = &checked_;
    facts_.pipeline = &pipeline_;
    facts_.topics = {{{"name", "in"}, {"ready", true}}};
    facts_.topics_ready = {.status = "True", .reason = "AsPlanned", .message = "1 topic"};
    facts_.stages = {Stage(Deployment(2, 2, 2, 2))};
  }

  Json Status(int64_t now = kNow) const { return StatusOf(facts_, now); }

  static std::string Of(const Json& status, std::string_view type, const char* field = "status") {
    const Json* condition = kube::FindCondition(status.at("conditions"), type);
    return condition == nullptr ? "" : condition->at(field).get<std::string>();
  }

  Json pipeline_ = Pipeline();
  Checked checked_;
  Facts facts_;
};

TEST(StagesRunTest, CountsThem) {
  EXPECT_EQ(StagesRun(1), "1 stage runs");
  EXPECT_EQ(StagesRun(2), "2 stages run");
}

TEST_F(StatusTest, ALastingPipelineRuns) {
  facts_.stages[0].lag = 120;
  facts_.stages[0].events_per_second = 50.5;
  const Json status = Status();
  EXPECT_EQ(status["phase"], "Running");
  EXPECT_EQ(Of(status, "Valid"), "True");
  EXPECT_EQ(Of(status, "TopicsReady"), "True");
  EXPECT_EQ(Of(status, "StagesReady"), "True");
  EXPECT_EQ(Of(status, "StagesReady", "message"), "1 stage runs");
  EXPECT_EQ(Of(status, "Ready"), "True");
  EXPECT_EQ(Of(status, "Degraded"), "False");
  EXPECT_EQ(status["stagesReady"], "1/1");
  EXPECT_EQ(status["topicsReady"], "1/1");
  EXPECT_EQ(status["lag"], 120);
  EXPECT_EQ(status["eventsPerSecond"], 50);
  EXPECT_EQ(status["observedGeneration"], 1);
  EXPECT_EQ(status["appliedGeneration"], 1);
}

TEST_F(StatusTest, APipelineWithoutTestsSaysNothingOfThem) {
  EXPECT_EQ(kube::FindCondition(Status()["conditions"], "TestsPassed"), nullptr);
}

TEST_F(StatusTest, TestsThatHoldAreWhyItIsNotReady) {
  pipeline_["metadata"]["generation"] = 2;
  pipeline_["status"] = {{"appliedGeneration", 1}};
  facts_.tests = {.outcome = render::Tests::Outcome::kRunning,
                  .hold = true,
                  .count = 3,
                  .job = "j",
                  .job_uid = "1"};
  facts_.topics_ready.status = "Unknown";
  Json status = Status();
  EXPECT_EQ(status["phase"], "Pending");
  EXPECT_EQ(status["appliedGeneration"], 1);
  EXPECT_EQ(Of(status, "TestsPassed"), "Unknown");
  EXPECT_EQ(Of(status, "StagesReady", "reason"), "TestsRunning");
  EXPECT_EQ(Of(status, "Ready"), "False");
  EXPECT_EQ(Of(status, "Ready", "reason"), "TestsRunning");
  EXPECT_EQ(Of(status, "Degraded"), "False");
  facts_.tests_said = "ImagePullBackOff: no such image";
  EXPECT_TRUE(Of(Status(), "TestsPassed", "message").find("no such image") != std::string::npos);
  facts_.tests.outcome = render::Tests::Outcome::kFailed;
  facts_.tests_said = "1 of 3 tests failed: a";
  status = Status();
  EXPECT_EQ(status["phase"], "Degraded");
  EXPECT_EQ(Of(status, "TestsPassed"), "False");
  EXPECT_TRUE(Of(status, "TestsPassed", "message").starts_with("1 of 3 tests failed: a."));
  EXPECT_EQ(Of(status, "Ready", "message"), Of(status, "TestsPassed", "message"));
  EXPECT_EQ(Of(status, "Degraded", "reason"), "TestsFailed");
  pipeline_["status"] = nullptr;
  EXPECT_EQ(Status()["phase"], "Pending") << "nothing runs yet";
  facts_.tests.outcome = render::Tests::Outcome::kPassed;
  facts_.tests.hold = false;
  facts_.topics_ready.status = "True";
  status = Status();
  EXPECT_EQ(status["appliedGeneration"], 2);
  EXPECT_EQ(Of(status, "TestsPassed"), "True");
  EXPECT_EQ(status["testsJob"], "j");
  pipeline_["status"] = status;
  facts_.tests = {.outcome = render::Tests::Outcome::kFailed, .hold = true, .job = "k"};
  EXPECT_EQ(Status()["testsJob"], "j") << "of what runs";
  facts_.tests = {};
  EXPECT_FALSE(Status().contains("testsJob"));
}

TEST_F(StatusTest, WhatFailedTestsSaidIsKeptWhenTheirPodsAreGone) {
  facts_.tests = {.outcome = render::Tests::Outcome::kFailed,
                  .hold = true,
                  .count = 3,
                  .job = "job-1",
                  .job_uid = "1",
                  .why = "exit code 1"};
  facts_.tests_said = "1 of 3 tests failed: a";
  pipeline_["status"] = Status();
  facts_.tests_said = "";  // a new process, which finds no pod
  EXPECT_TRUE(Of(Status(), "TestsPassed", "message").starts_with("1 of 3 tests failed: a."));
  EXPECT_EQ(Status(), pipeline_["status"]);
  facts_.tests.job = "job-2";
  EXPECT_TRUE(Of(Status(), "TestsPassed", "message").starts_with("exit code 1."));
}

TEST_F(StatusTest, TestsThatCouldNotRunSayWhenTheyAreRunAgain) {
  facts_.tests = {.outcome = render::Tests::Outcome::kFailed,
                  .hold = true,
                  .count = 3,
                  .job = "j",
                  .job_uid = "1",
                  .why = "they have not ended within 600 s",
                  .again_micros = 1'800'000'000'000'000};
  facts_.tests_said = "no node: 0/3 nodes are available";
  const std::string message = Of(Status(), "TestsPassed", "message");
  EXPECT_TRUE(message.starts_with(
      "they have not ended within 600 s: no node: 0/3 nodes are available. Nothing is rolled"))
      << message;
  EXPECT_NE(message.find("again at 2027-01-15T08:00:00Z"), std::string::npos) << message;
}

TEST_F(StatusTest, AStageThatRollsIsPendingAndSaysHowFarItIs) {
  facts_.stages = {Stage(Deployment(2, 1, 2, 3))};
  const Json status = Status();
  EXPECT_EQ(status["phase"], "Pending");
  EXPECT_EQ(Of(status, "StagesReady", "reason"), "RollingOut");
  EXPECT_EQ(Of(status, "Ready", "message"), "stage detect: 1 of 2 replicas are new, 2 ready");
}

TEST_F(StatusTest, OldPodsThatAreStillThereAreNotReady) {
  facts_.stages = {Stage(Deployment(2, 2, 2, 3))};
  EXPECT_EQ(Status()["phase"], "Pending");
}

TEST_F(StatusTest, ADeploymentThatItsControllerHasNotSeenIsNotReady) {
  Json deployment = Deployment(2, 2, 2, 2);
  deployment["metadata"]["generation"] = 3;
  facts_.stages = {Stage(deployment)};
  EXPECT_EQ(Status()["phase"], "Pending");
}

TEST_F(StatusTest, APipelineWhoseTopicsAreBeingMadeIsNotDegraded) {
  facts_.topics_ready = {
      .status = "False", .reason = "Creating", .message = "orders: is being made"};
  EXPECT_EQ(Status()["phase"], "Pending");
  facts_.topics_ready.reason = "TopicsDiffer";
  EXPECT_EQ(Status()["phase"], "Degraded");
}

TEST_F(StatusTest, AStageOfNoReplicasIsReady) {
  facts_.stages = {Stage(Deployment(0, 0, 0, 0), 0)};
  EXPECT_EQ(Status()["phase"], "Running");
}

TEST_F(StatusTest, ARolloutThatStoppedIsDegradedAndSaysWhereToLook) {
  Json deployment = Deployment(2, 1, 2, 3);
  deployment["status"]["conditions"] = {
      {{"type", "Progressing"}, {"status", "False"}, {"reason", "ProgressDeadlineExceeded"}}};
  facts_.stages = {Stage(deployment)};
  const Json status = Status();
  EXPECT_EQ(status["phase"], "Degraded");
  EXPECT_EQ(Of(status, "Degraded", "reason"), "RolloutStuck");
  EXPECT_NE(Of(status, "Degraded", "message").find("kubectl logs"), std::string::npos);
}

TEST_F(StatusTest, PodsThatAreRefusedAreToldInTheWordsOfTheServer) {
  Json deployment = Deployment(2, 0, 0, 0);
  deployment["status"]["conditions"] = {
      {{"type", "ReplicaFailure"}, {"status", "True"}, {"message", "exceeded quota: q"}}};
  facts_.stages = {Stage(deployment)};
  EXPECT_EQ(Of(Status(), "StagesReady", "message"),
            "stage detect: pods cannot be made: exceeded quota: q");
}

TEST_F(StatusTest, AnInvalidManifestThatNeverRanIsInvalid) {
  checked_.valid = false;
  checked_.problems = "spec.stages[0]: no topic `x`";
  facts_.stages.clear();
  const Json status = Status();
  EXPECT_EQ(status["phase"], "Invalid");
  EXPECT_EQ(Of(status, "Valid"), "False");
  EXPECT_NE(Of(status, "Valid", "message").find("no topic `x`"), std::string::npos);
  EXPECT_EQ(Of(status, "Degraded"), "False");
  EXPECT_FALSE(status.contains("appliedGeneration"));
}

TEST_F(StatusTest, AnInvalidManifestOverOneThatRunsIsDegraded) {
  pipeline_["status"] = Status();
  pipeline_["metadata"]["generation"] = 2;
  checked_.valid = false;
  const Json status = Status(kLater);
  EXPECT_EQ(status["phase"], "Degraded");
  EXPECT_EQ(status["observedGeneration"], 2);
  EXPECT_EQ(status["appliedGeneration"], 1);
  EXPECT_EQ(Of(status, "Degraded", "reason"), "OldManifestRuns");
}

TEST_F(StatusTest, WhatCannotBeWrittenIsDegradedAndDoesNotCountAsApplied) {
  pipeline_["metadata"]["generation"] = 2;
  facts_.write_error = "Deployment shop-detect is there already";
  const Json status = Status();
  EXPECT_EQ(status["phase"], "Degraded");
  EXPECT_EQ(Of(status, "StagesReady", "reason"), "WriteFailed");
  EXPECT_FALSE(status.contains("appliedGeneration"));
}

TEST_F(StatusTest, TopicsThatAreNotReadyKeepThePipelineFromBeingReady) {
  facts_.topics_ready = {.status = "False", .reason = "KafkaAway", .message = "b:9092 is silent"};
  pipeline_["status"] = {{"appliedGeneration", 1}};
  const Json status = Status();
  EXPECT_EQ(Of(status, "Ready", "reason"), "KafkaAway");
  EXPECT_EQ(Of(status, "StagesReady"), "True");
  EXPECT_EQ(status["phase"], "Degraded");
}

TEST_F(StatusTest, ATransitionKeepsItsTimeWhileTheStatusStays) {
  pipeline_["status"] = Status(kNow);
  facts_.stages = {Stage(Deployment(2, 1, 1, 2))};
  const Json status = Status(kLater);
  EXPECT_EQ(Of(status, "Valid", "lastTransitionTime"), kube::ToTime(kNow));
  EXPECT_EQ(Of(status, "Ready", "lastTransitionTime"), kube::ToTime(kLater));
}

TEST_F(StatusTest, TheSameFactsGiveTheSameStatus) {
  pipeline_["status"] = Status(kNow);
  EXPECT_EQ(Status(kLater), pipeline_["status"]);
}

TEST_F(StatusTest, AStageSaysWhatItsWorkersReport) {
  EXPECT_FALSE(Status()["stages"][0].contains("errors")) << "none has answered yet";
  facts_.stages[0].reported = {.known = true,
                               .errors = 7,
                               .dead_letters = 3,
                               .late_events = 12,
                               .last_error = "search does not answer",
                               .last_error_micros = kNow};
  const Json row = Status()["stages"][0];
  EXPECT_EQ(row["errors"], 7);
  EXPECT_EQ(row["deadLetters"], 3);
  EXPECT_EQ(row["lateEvents"], 12);
  EXPECT_EQ(row["lastError"], "search does not answer");
  EXPECT_EQ(row["lastErrorTime"], kube::ToTime(kNow));
  EXPECT_FALSE(row.contains("latencyP99Ms")) << "no event of late";
}

TEST_F(StatusTest, ALatencyHasTwoDigits) {
  facts_.stages[0].reported = {.known = true, .p50_ms = 0.237, .p99_ms = 1274.3};
  const Json row = Status()["stages"][0];
  EXPECT_EQ(row["latencyP50Ms"], 0.2);
  EXPECT_EQ(row["latencyP99Ms"], 1300);
}

TEST_F(StatusTest, AnErrorIsToldForAQuarterOfAnHour) {
  constexpr int64_t kTold = 15 * 60 * int64_t{1'000'000};
  EXPECT_EQ(NextChangeOf(facts_, kNow), std::nullopt);
  facts_.stages[0].reported = {.known = true,
                               .errors = 1,
                               .last_error = "topic in does not exist",
                               .last_error_micros = kNow};
  EXPECT_EQ(NextChangeOf(facts_, kNow), kNow + kTold);
  EXPECT_TRUE(Status(kNow + kTold - 1)["stages"][0].contains("lastError"));
  const Json row = Status(kNow + kTold)["stages"][0];
  EXPECT_FALSE(row.contains("lastError"));
  EXPECT_FALSE(row.contains("lastErrorTime"));
  EXPECT_EQ(row["errors"], 1);
  EXPECT_EQ(NextChangeOf(facts_, kNow + kTold), std::nullopt);
}

TEST_F(StatusTest, APodThatIsNotReadySaysWhy) {
  facts_.stages = {Stage(Deployment(1, 1, 0, 1), 1)};
  facts_.stages[0].reported = {.waiting = "shop-detect-x: ErrImagePull: no such image"};
  const Json status = Status();
  EXPECT_EQ(Of(status, "StagesReady", "message"),
            "stage detect: 1 of 1 replicas are new, 0 ready; shop-detect-x: ErrImagePull: no such "
            "image");
  EXPECT_EQ(status["stages"][0]["lastError"],
            "1 of 1 replicas are new, 0 ready; shop-detect-x: ErrImagePull: no such image");
}

TEST_F(StatusTest, ManyWhoHaveMuchToSayStillFitIntoAnObject) {
  facts_.stages.clear();
  for (int i = 0; i < 128; ++i) {
    facts_.stages.push_back(Stage(Deployment(1, 1, 0, 1), 1));
    facts_.stages.back().reported.waiting = "ü";
    for (int k = 0; k < 12; ++k)
      facts_.stages.back().reported.waiting += facts_.stages.back().reported.waiting;
  }
  for (int i = 0; i < 600; ++i) {
    facts_.topics.push_back({{"name", "t"}, {"ready", false}, {"message", std::string(4000, 'x')}});
  }
  const Json status = Status();
  EXPECT_LT(status.dump().size(), 1'000'000u);  // and is UTF-8, or dump throws
  EXPECT_LE(status["topics"].size(), 512u);
  EXPECT_LE(Of(status, "StagesReady", "message").size(), 8192u);
}

TEST_F(StatusTest, APausedPipelineIsPaused) {
  checked_.plan.pipeline.mutable_spec()->set_paused(true);
  facts_.stages = {Stage(Deployment(0, 0, 0, 0), 0)};
  EXPECT_EQ(Status()["phase"], "Paused");
}

TEST_F(StatusTest, OneThatIsBeingDeletedSaysWhatItWaitsFor) {
  facts_.stages = {Stage(Deployment(1, 1, 1, 1), 1)};
  pipeline_["status"] = Status();
  pipeline_["metadata"]["generation"] = 4;
  const Json ending = StatusOfEnding(pipeline_, "Kafka does not answer", 1);
  EXPECT_EQ(ending["phase"], "Terminating");
  EXPECT_EQ(ending["observedGeneration"], 4);
  EXPECT_EQ(ending["stages"], pipeline_["status"]["stages"]);
  const Json* ready = kube::FindCondition(ending["conditions"], "Ready");
  EXPECT_EQ((*ready)["status"], "False");
  EXPECT_EQ((*ready)["reason"], "Terminating");
  EXPECT_EQ((*ready)["message"], "Kafka does not answer");
  pipeline_["status"] = ending;
  EXPECT_EQ(StatusOfEnding(pipeline_, "Kafka does not answer", 2), ending) << "told once";
  pipeline_.erase("status");
  EXPECT_EQ(StatusOfEnding(pipeline_, "Kafka", 1)["phase"], "Terminating");
}

}  // namespace
}  // namespace levada::controller
