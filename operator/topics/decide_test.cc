#include "operator/topics/decide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/pipeline/manifest.h"

namespace levada::topics {
namespace {

using kafka::TopicState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = kafka::TopicChange::Kind;

constexpr char kManifest[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  connections:
    search: {opensearch: {url: "https://search:9200"}}
  topics:
  - {name: orders, partitions: 6, retention: 1h, key: id, unmanaged: [segment.ms]}
  - {name: customers, partitions: 3, compacted: true, key: id}
  stages:
  - {name: in, ingest: {http: {path: /orders}, to: orders, maxEventSize: 1Mi}}
  - {name: find, indexing: {from: orders, via: search, index: orders}}
)";

pipeline::Plan PlanOf(const std::string& text) {
  pipeline::Manifests manifests = pipeline::ReadManifests(text, "test.yaml");
  EXPECT_THAT(manifests.problems.ToText(), "");
  return pipeline::Compile(manifests.documents.at(0).pipeline);
}

std::string With(std::string from, const std::string& to) {
  std::string text = kManifest;
  return text.replace(text.find(from), from.size(), to);
}

// As Kafka has it after the plan was carried out.
std::map<std::string, TopicState> LiveOf(const pipeline::Plan& plan) {
  std::map<std::string, TopicState> live;
  for (const pipeline::PlannedTopic& topic : plan.topics) {
    live[topic.name] = {topic.name, topic.partitions, 1, topic.config};
  }
  return live;
}

const std::set<std::string> kAll = {"orders", "customers", "levada.default.shop.dead-letters"};

const Row& RowOf(const Decision& decision, const std::string& name) {
  for (const Row& row : decision.rows) {
    if (row.name == name) return row;
  }
  ADD_FAILURE() << "no row " << name;
  static const Row kNone;
  return kNone;
}

TEST(DecideTest, AMissingTopicIsClaimedBeforeItIsMade) {
  const pipeline::Plan plan = PlanOf(kManifest);
  const Decision claim = Decide({.plan = plan}, {});
  EXPECT_TRUE(claim.claims);
  EXPECT_THAT(claim.changes, IsEmpty());
  EXPECT_FALSE(claim.ready);
  EXPECT_EQ(claim.reason, "Creating");
  EXPECT_TRUE(RowOf(claim, "orders").managed);
  EXPECT_EQ(RowOf(claim, "orders").partitions, 0);

  const Decision make = Decide({.plan = plan, .managed = kAll}, {});
  EXPECT_FALSE(make.claims);
  EXPECT_THAT(make.changes, SizeIs(3));
  EXPECT_TRUE(make.ready);
  EXPECT_EQ(make.message, "3 of 3 topics are as they should be");
}

TEST(DecideTest, WhatIsRightIsLeftAlone) {
  const pipeline::Plan plan = PlanOf(kManifest);
  const Decision decision = Decide({.plan = plan, .managed = kAll}, LiveOf(plan));
  EXPECT_TRUE(decision.ready);
  EXPECT_THAT(decision.changes, IsEmpty());
}

TEST(DecideTest, DriftOfAManagedTopicIsPutRight) {
  const pipeline::Plan plan = PlanOf(kManifest);
  auto live = LiveOf(plan);
  live["orders"].config["retention.ms"] = "1";
  live["orders"].config["min.insync.replicas"] = "2";
  live["orders"].config["segment.ms"] = "60000";  // unmanaged
  const Decision decision = Decide({.plan = plan, .managed = kAll}, live);
  ASSERT_THAT(decision.changes, SizeIs(1));
  EXPECT_EQ(decision.changes[0].kind, Kind::kConfigure);
  EXPECT_EQ(decision.changes[0].topic.config,
            (std::map<std::string, std::string>{{"retention.ms", "3600000"}}));
  EXPECT_THAT(decision.changes[0].resets, ElementsAre("min.insync.replicas"));
}

TEST(DecideTest, SomebodyElsesTopicIsUsedAsItIsUnlessAdopted) {
  const pipeline::Plan plan = PlanOf(kManifest);
  auto live = LiveOf(plan);
  live["orders"].config["retention.ms"] = "1";
  const Decision used = Decide({.plan = plan}, live);
  EXPECT_TRUE(used.ready);
  EXPECT_THAT(used.changes, IsEmpty());
  EXPECT_FALSE(RowOf(used, "orders").managed);
  EXPECT_THAT(RowOf(used, "orders").message, HasSubstr("`adopt: true` would: set orders"));

  const pipeline::Plan adopting =
      PlanOf(With("key: id, unmanaged", "key: id, adopt: true, unmanaged"));
  EXPECT_TRUE(Decide({.plan = adopting}, live).claims) << "that it manages it is written first";
  const Decision adopted = Decide({.plan = adopting, .managed = {"orders"}}, live);
  EXPECT_THAT(adopted.changes, SizeIs(1));
  EXPECT_TRUE(RowOf(adopted, "orders").managed);
}

TEST(DecideTest, AnotherPipelinesTopicIsNotFoughtOver) {
  const pipeline::Plan plan = PlanOf(kManifest);
  auto live = LiveOf(plan);
  const Input input{.plan = plan, .owners = {{"orders", {"sales/till"}}}};
  EXPECT_TRUE(Decide(input, live).ready) << "they agree";
  live["orders"].config["retention.ms"] = "1";
  const Decision decision = Decide(input, live);
  EXPECT_THAT(decision.changes, IsEmpty());
  EXPECT_FALSE(decision.ready);
  EXPECT_THAT(decision.message, HasSubstr("the pipeline sales/till manages it"));
  live.erase("orders");
  EXPECT_THAT(RowOf(Decide(input, live), "orders").message, HasSubstr("sales/till"));
}

TEST(DecideTest, GrowsButNeverShrinks) {
  const pipeline::Plan plan = PlanOf(kManifest);
  auto live = LiveOf(plan);
  live["orders"].partitions = 4;
  const Decision grown = Decide({.plan = plan, .managed = kAll}, live);
  ASSERT_THAT(grown.changes, SizeIs(1));
  EXPECT_EQ(grown.changes[0].kind, Kind::kGrow);
  EXPECT_EQ(RowOf(grown, "orders").partitions, 6);
  live["orders"].partitions = 8;
  const Decision kept = Decide({.plan = plan, .managed = kAll}, live);
  EXPECT_THAT(kept.changes, IsEmpty());
  EXPECT_THAT(kept.message, HasSubstr("write 8 in the manifest"));
}

TEST(DecideTest, KeysStayUnlessItIsAccepted) {
  const pipeline::Plan plan = PlanOf(kManifest);
  auto live = LiveOf(plan);
  live["customers"].partitions = 2;
  const Decision refused = Decide({.plan = plan, .managed = kAll}, live);
  EXPECT_THAT(refused.changes, IsEmpty());
  EXPECT_THAT(refused.message, HasSubstr("levada.dev/accept-repartition: customers=3"));
  const Decision stale =
      Decide({.plan = plan, .managed = kAll, .accepted = ParseAccepted("customers=4")}, live);
  EXPECT_THAT(stale.changes, IsEmpty()) << "another number was accepted";
  const Decision accepted = Decide(
      {.plan = plan, .managed = kAll, .accepted = ParseAccepted("orders=9, customers=3")}, live);
  EXPECT_THAT(accepted.changes, SizeIs(1));
}

TEST(DecideTest, KeysOfAnIndexByIdStayToo) {
  const pipeline::Plan by_id = PlanOf(With("index: orders}", "index: orders, id: id}"));
  EXPECT_THAT(KeysStay(by_id, by_id.topics[0]), HasSubstr("give it a `version`"));
  const pipeline::Plan versioned =
      PlanOf(With("index: orders}", "index: orders, id: id, version: v}"));
  EXPECT_EQ(KeysStay(versioned, versioned.topics[0]), "");
}

TEST(DecideTest, ATopicThatLeftTheManifestIsKeptAndNotForgotten) {
  const pipeline::Plan plan = PlanOf(kManifest);
  auto live = LiveOf(plan);
  live["old"] = {"old", 2, 1, {}};
  std::set<std::string> managed = kAll;
  managed.insert("old");
  const Decision decision = Decide({.plan = plan, .managed = managed}, live);
  EXPECT_TRUE(RowOf(decision, "old").managed);
  EXPECT_TRUE(decision.ready);
}

TEST(DecideTest, OnlyWhatItManagesAloneIsDeleted) {
  EXPECT_THAT(ToDelete({"a", "b"}, {"b", "c"}), ElementsAre("a"));
}

}  // namespace
}  // namespace levada::topics
