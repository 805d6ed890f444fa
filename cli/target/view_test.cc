#include "cli/target/view.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "cli/target/cluster.h"
#include "cli/target/table.h"

namespace levada::cli {
namespace {

using kube::Json;

Json Live() {
  return Json::parse(R"({
    "metadata": {"name": "orders", "namespace": "shop", "generation": 3},
    "status": {
      "phase": "Degraded", "observedGeneration": 3, "appliedGeneration": 2,
      "conditions": [
        {"type": "Valid", "status": "True", "reason": "Checked", "message": "no problems found"},
        {"type": "TopicsReady", "status": "True", "reason": "TopicsReady", "message": "3 of 3"},
        {"type": "StagesReady", "status": "False", "reason": "Stuck", "message": "stage a: why"},
        {"type": "Ready", "status": "False", "reason": "Stuck", "message": "stage a: why"}],
      "stages": [
        {"name": "a", "kind": "scoring", "replicas": 2, "readyReplicas": 1, "updatedReplicas": 2,
         "lag": 12, "eventsPerSecond": 3.5, "latencyP50Ms": 4.2, "latencyP99Ms": 250,
         "deadLetters": 4, "lateEvents": 9, "lastError": "boom"},
        {"name": "b", "kind": "indexing", "replicas": 0}],
      "topics": [{"name": "in", "role": "Declared", "partitions": 6, "ready": true,
                  "managed": true}]}})");
}

TEST(ClusterViewTest, IsWhatTheStatusSays) {
  const PipelineView view = ViewOf(Live(), "cluster prod");
  EXPECT_EQ(view.phase, "Degraded");
  EXPECT_FALSE(view.ready);
  EXPECT_EQ(view.message, "Stuck: stage a: why");
  EXPECT_EQ(view.applied_generation, 2);
  ASSERT_EQ(view.stages.size(), 2U);
  EXPECT_FALSE(view.stages[0].ready);
  EXPECT_EQ(view.stages[0].state, "rolling out: 2 of 2 new, 1 ready");
  EXPECT_EQ(view.stages[0].lag, 12);
  EXPECT_EQ(view.stages[0].p50_ms, 4.2);
  EXPECT_EQ(view.stages[0].p99_ms, 250);
  EXPECT_EQ(view.stages[0].dead_letters, 4);
  EXPECT_EQ(view.stages[0].late_events, 9);
  EXPECT_EQ(view.stages[0].errors, -1) << "not in the status: not known";
  EXPECT_TRUE(view.stages[1].ready);
  EXPECT_EQ(view.stages[1].state, "at rest");
  EXPECT_EQ(view.stages[1].lag, -1);
  EXPECT_EQ(view.stages[1].p99_ms, -1);
}

TEST(ClusterViewTest, IsNotReadyBeforeTheNewestGenerationWasLookedAt) {
  Json live = Live();
  for (Json& condition : live["status"]["conditions"]) condition["status"] = "True";
  EXPECT_TRUE(ViewOf(live, "").ready);
  live["metadata"]["generation"] = 4;
  EXPECT_FALSE(ViewOf(live, "").ready);
  live.erase("status");
  EXPECT_FALSE(ViewOf(live, "").ready);
  EXPECT_NE(ViewOf(live, "").message.find("no operator"), std::string::npos);
}

TEST(ClusterViewTest, TakesAStatusOfWrongTypes) {
  for (const char* status : {"7", "[]", R"({"stages": {}, "conditions": 1})",
                             R"({"stages": [1, {"lag": "x"}], "topics": [null]})"}) {
    Json live = Live();
    live["status"] = Json::parse(status);
    EXPECT_FALSE(ViewOf(live, "").ready) << status;
  }
}

TEST(RatesTest, NeedTwoViewsOfTheSameWorker) {
  PipelineView view{.name = "orders", .stages = {{.name = "a"}}};
  ViewRates rates;
  view.stages[0].records_in = 1000;
  rates.Update(&view);
  EXPECT_LT(view.stages[0].records_per_second, 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  view.stages[0].records_in = 2000;
  rates.Update(&view);
  EXPECT_GT(view.stages[0].records_per_second, 0);
  EXPECT_LE(view.stages[0].records_per_second, 20'000);
  view.stages[0].records_per_second = -1;
  view.stages[0].records_in = 10;  // started again
  rates.Update(&view);
  EXPECT_LT(view.stages[0].records_per_second, 0);
}

TEST(TableTest, LeavesOutColumnsThatSayNothingAndCutsAtTheWidth) {
  Table table({{"NAME"}, {"LAG", Align::kRight}, {"P99"}, {"STATE"}});
  table.Add({"é", "7", "-", "running"});
  table.Add({"longer", "1000", "", "waiting: …"});
  EXPECT_EQ(table.Render(0),
            "NAME     LAG  STATE\n"
            "é          7  running\n"
            "longer  1000  waiting: …\n");
  EXPECT_EQ(table.Render(4), "NAME\né\nlong\n");
}

TEST(ViewTest, WhatIsNotKnownIsNotInTheJson) {
  const nlohmann::json json = ToJson(ViewOf(Live(), "cluster prod"));
  EXPECT_EQ(json["stages"][0]["lag"], 12);
  EXPECT_FALSE(json["stages"][0].contains("errors"));
  EXPECT_EQ(json["stages"][0]["p99_ms"], 250);
  EXPECT_FALSE(json["stages"][1].contains("p99_ms"));
  EXPECT_EQ(json["topics"][0]["partitions"], 6);
  EXPECT_EQ(json["message"], "Stuck: stage a: why");
}

}  // namespace
}  // namespace levada::cli
