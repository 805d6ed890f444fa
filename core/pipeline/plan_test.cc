#include "core/pipeline/plan.h"

#include <google/protobuf/util/message_differencer.h>

#include <nlohmann/json.hpp>

#include "core/base/strings.h"
#include "core/pipeline/expand.h"
#include "core/pipeline/testing.h"
#include "core/pipeline/yaml.h"

namespace levada::pipeline {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr char kSample[] = "manifests/samples/fraud-prevention.yaml";

v1::Pipeline ReadPipeline(const std::string& text) {
  const Manifests manifests = ReadManifests(text, "test.yaml");
  EXPECT_EQ(manifests.problems.ToText(), "") << text;
  return manifests.documents.at(0).pipeline;
}

// A plan as text, for comparing and for people.
std::string Render(const Plan& plan) {
  std::string out;
  for (const PlannedTopic& topic : plan.topics) {
    base::StrAppend(&out, "topic ", topic.name, " role=", static_cast<int>(topic.role),
                    " partitions=", topic.partitions, " replication=", topic.replication);
    for (const auto& [key, value] : topic.config) base::StrAppend(&out, " ", key, "=", value);
    out += "\n";
  }
  for (const PlannedStage& stage : plan.stages) {
    base::StrAppend(&out, "\nstage ", stage.name, ": ", stage.kind, " by ", stage.service, "\n",
                    "group ", stage.consumer_group, "\ninput ", stage.input, "\n");
    for (const std::string& output : stage.outputs) base::StrAppend(&out, "output ", output, "\n");
    base::StrAppend(&out, "slice ", stage.slice_hash, "\n", stage.slice_yaml);
  }
  return out;
}

// What the API server makes of a manifest: JSON, its maps sorted.
nlohmann::json ToJson(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kSequence) {
    nlohmann::json list = nlohmann::json::array();
    for (const YamlNode& item : node.items) list.push_back(ToJson(item));
    return list;
  }
  if (node.kind == YamlNode::Kind::kMapping) {
    nlohmann::json map = nlohmann::json::object();
    for (const auto& [key, value] : node.entries) map[key.text] = ToJson(value);
    return map;
  }
  if (TypeOf(node) == ScalarType::kText) return node.text;
  return nlohmann::json::parse(node.text);
}

std::string ThroughTheApiServer(const std::string& text) {
  Problems problems;
  const auto documents =
      ParseYaml(std::make_shared<const SourceText>("test.yaml", text), &problems);
  return ToJson(documents.at(0)).dump();
}

TEST(PlanTest, TheSampleHasNoProblems) {
  EXPECT_EQ(Validate(ReadTestFile(kSample), kSample).ToText(), "");
}

TEST(PlanTest, TheSampleComesToThisPlan) {
  const std::string golden = "core/pipeline/testdata/fraud-prevention.plan";
  const std::string plan = Render(Compile(ReadPipeline(ReadTestFile(kSample))));
  if (UpdateGoldens()) return WriteTestFile(golden, plan);
  EXPECT_EQ(plan, ReadTestFile(golden));
}

TEST(PlanTest, SurvivesTheApiServer) {
  for (const std::string& text : {ReadTestFile(kSample), std::string(kGoodManifest)}) {
    const std::string json = ThroughTheApiServer(text);
    EXPECT_EQ(Validate(json).ToText(), "");
    EXPECT_EQ(Render(Compile(ReadPipeline(json))), Render(Compile(ReadPipeline(text))));
  }
}

TEST(PlanTest, ASliceIsAManifestThatGivesTheSameSlice) {
  for (const std::string& text : {ReadTestFile(kSample), std::string(kGoodManifest)}) {
    for (const PlannedStage& stage : Compile(ReadPipeline(text)).stages) {
      EXPECT_FALSE(Validate(stage.slice_yaml).HasErrors()) << Validate(stage.slice_yaml).ToText();
      const Plan again = Compile(ReadPipeline(stage.slice_yaml));
      ASSERT_EQ(again.stages.size(), 1u);
      EXPECT_EQ(again.stages[0].slice_yaml, stage.slice_yaml);
      EXPECT_EQ(again.stages[0].slice_hash, stage.slice_hash);
      EXPECT_EQ(again.stages[0].consumer_group, stage.consumer_group);
    }
  }
}

TEST(PlanTest, OnlyWhatAStageReadsChangesItsSlice) {
  const v1::Pipeline before = ReadPipeline(kGoodManifest);
  v1::Pipeline after = before;
  after.mutable_spec()->mutable_topics(0)->set_retention("30d");
  after.mutable_spec()->mutable_topics(0)->set_partitions(12);
  after.mutable_spec()->mutable_dead_letters()->set_retention("1d");
  (*after.mutable_metadata()->mutable_labels())["team"] = "risk";
  after.mutable_spec()->mutable_stages(2)->mutable_notify()->set_when("large == false");
  const Plan one = Compile(before);
  const Plan two = Compile(after);
  for (size_t i = 0; i < one.stages.size(); ++i) {
    EXPECT_EQ(one.stages[i].slice_hash == two.stages[i].slice_hash, i != 2) << i;
  }
}

// What only the operator acts on.
constexpr char kOnTheCluster[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  paused: true
  restartNonce: 3
  deletionPolicy: Delete
  files: [{path: orders.ndjson, claim: orders}]
  topics:
  - {name: orders, config: {min.insync.replicas: "2"}, unmanaged: [retention.ms], adopt: true}
  stages:
  - name: in
    replicas: 0
    ingest: {file: {path: orders.ndjson}, to: orders}
    pod:
      resources: {requests: {cpu: 2, memory: 1Gi}}
      affinity: {"a b": [1, 0.5, true, "on", {c: "x\ny"}, [], {}], d: -1e-7}
      env: [{name: EMPTY, value: ""}]
  - name: lake
    autoscaling: {minReplicas: 0}
    archiving: {from: orders, ndjson: {folder: lake}}
    pod: {volume: {accessMode: ReadWriteMany}}
)";

TEST(PlanTest, ASliceHasTheFilesThatItFetchesAndTheWayToThem) {
  const auto slice = [](const std::string& key) {
    const Plan plan = Compile(ReadPipeline(base::StrCat(R"(
apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  connections:
    lake: {s3: {endpoint: "https://minio:9000", tls: {caFile: minio.pem}, secretRef: lake}}
  files:
  - {path: in.ndjson, s3: {via: lake, bucket: shop, key: )",
                                                        key, R"(}}
  - {path: minio.pem, configMap: certificates}
  topics: [{name: orders}]
  stages:
  - {name: in, ingest: {file: {path: in.ndjson}, to: orders}}
  - {name: every, ingest: {schedule: {every: 1s, generator: fraud}, to: orders}}
)")));
    return plan.stages;
  };
  const auto before = slice("a.ndjson");
  const v1::PipelineSpec& spec = before[0].slice.spec();
  ASSERT_EQ(spec.files_size(), 1);
  EXPECT_EQ(spec.files(0).path(), "in.ndjson");
  EXPECT_TRUE(spec.connections().contains("lake"));
  EXPECT_TRUE(before[1].slice.spec().files().empty());
  EXPECT_TRUE(before[1].slice.spec().connections().empty());
  const auto after = slice("b.ndjson");
  EXPECT_NE(after[0].slice_hash, before[0].slice_hash) << "a new version is read";
  EXPECT_EQ(after[1].slice_hash, before[1].slice_hash);
}

TEST(PlanTest, WhatOnlyTheOperatorActsOnIsInNoSlice) {
  EXPECT_EQ(Validate(kOnTheCluster).ToText(), "");
  const Plan plan = Compile(ReadPipeline(kOnTheCluster));
  v1::Pipeline bare = ReadPipeline(kOnTheCluster);
  bare.mutable_spec()->mutable_topics(0)->clear_unmanaged();
  bare.mutable_spec()->mutable_topics(0)->clear_config();
  for (v1::Stage& stage : *bare.mutable_spec()->mutable_stages()) {
    stage.clear_replicas();
    stage.clear_autoscaling();
    stage.clear_pod();
  }
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    EXPECT_EQ(plan.stages[i].slice_yaml, Compile(bare).stages[i].slice_yaml);
    EXPECT_EQ(plan.stages[i].slice_yaml.find("pod:"), std::string::npos);
  }
  EXPECT_EQ(plan.topics[0].config.at("min.insync.replicas"), "2");
  // 0 is a number of replicas, not the lack of one.
  EXPECT_TRUE(plan.pipeline.spec().stages(0).has_replicas());
  EXPECT_EQ(plan.pipeline.spec().stages(1).autoscaling().min_replicas(), 0u);
}

TEST(PlanTest, WhatOnlyTheOperatorActsOnIsWrittenAndRead) {
  const v1::Pipeline pipeline = ReadPipeline(kOnTheCluster);
  EXPECT_TRUE(MessageDifferencer::Equals(ReadPipeline(ToYaml(pipeline)), pipeline))
      << ToYaml(pipeline);
  EXPECT_TRUE(
      MessageDifferencer::Equals(ReadPipeline(ThroughTheApiServer(kOnTheCluster)), pipeline));
}

TEST(PlanTest, OwnsTheTopicsThatItsStagesNeed) {
  v1::Pipeline pipeline = ReadPipeline(kGoodManifest);
  v1::Ingest* ingest = pipeline.mutable_spec()->mutable_stages(0)->mutable_ingest();
  ingest->clear_http();
  ingest->mutable_file()->set_path("orders.ndjson");
  ingest->set_max_event_size("4Mi");
  pipeline.mutable_spec()->mutable_topics(1)->set_retention("0");
  std::map<std::string, PlannedTopic> topics;
  for (const PlannedTopic& topic : Compile(pipeline).topics) topics[topic.name] = topic;
  EXPECT_EQ(topics.at("orders").config.at("max.message.bytes"), "5242880");
  EXPECT_EQ(topics.at("scored").config.at("max.message.bytes"), "5242880");
  EXPECT_EQ(topics.at("scored").config.at("retention.ms"), "-1");
  EXPECT_EQ(topics.at("levada.default.shop.dead-letters").config.at("retention.ms"), "2592000000");
  EXPECT_EQ(topics.at("levada.default.shop.alert.sent").config.at("cleanup.policy"), "compact");
  EXPECT_EQ(topics.at("levada.default.shop.alert.sent").partitions, 3);
  EXPECT_EQ(topics.at("levada.default.shop.in.positions").config.at("cleanup.policy"), "compact");
  EXPECT_EQ(topics.size(), 6u);
}

TEST(PlanTest, PipelinesOfOneNameInTwoNamespacesShareNothingOnKafka) {
  const auto names = [](const std::string& name_space) {
    v1::Pipeline pipeline = ReadPipeline(kGoodManifest);
    pipeline.mutable_metadata()->set_namespace_(name_space);
    std::set<std::string> names;
    const Plan plan = Compile(pipeline);
    for (const PlannedTopic& topic : plan.topics) {
      if (topic.role != PlannedTopic::Role::kDeclared) names.insert(topic.name);
    }
    for (const PlannedStage& stage : plan.stages) {
      if (!stage.consumer_group.empty()) names.insert(stage.consumer_group);
      // What a worker reads from its slice is what the plan says.
      EXPECT_TRUE(names.contains(DeadLetterTopic(stage.slice)));
    }
    for (const std::string& one : names) EXPECT_TRUE(one.starts_with(NamePrefix(plan.pipeline)));
    return names;
  };
  std::set<std::string> all = names("red");
  const size_t one = all.size();
  all.merge(names("blue"));
  all.merge(names(""));
  EXPECT_EQ(all.size(), 3 * one);
  EXPECT_TRUE(all.contains("levada.default.shop.dead-letters"));
}

TEST(PlanTest, TheLongestNamesFitKafka) {
  const std::string longest(63, 'x');
  v1::Pipeline pipeline;
  pipeline.mutable_metadata()->set_name(longest);
  pipeline.mutable_metadata()->set_namespace_(longest);
  EXPECT_LE(PositionsTopic(pipeline, longest).size(), 249u);
}

TEST(PlanTest, DefaultsAreAppliedOnce) {
  v1::Pipeline pipeline = ReadPipeline(ReadTestFile(kSample));
  ApplyDefaults(&pipeline);
  const v1::PipelineSpec& spec = pipeline.spec();
  EXPECT_EQ(spec.dead_letters().topic(), "levada.default.fraud-prevention.dead-letters");
  EXPECT_EQ(spec.dead_letters().partitions(), 1u);
  EXPECT_EQ(FindStage(pipeline, "gateway")->ingest().http().max_request_size(), "16Mi");
  EXPECT_EQ(FindStage(pipeline, "search")->indexing().bulk().count(), 5000u);
  EXPECT_EQ(FindStage(pipeline, "lake")->archiving().roll().count(), 1000000u);
  const v1::Scoring& scoring = FindStage(pipeline, "detect")->scoring();
  EXPECT_EQ(scoring.delivery(), v1::DELIVERY_EXACTLY_ONCE);
  EXPECT_EQ(scoring.steps(5).model().version_as(), "score_model");
  EXPECT_EQ(scoring.steps(6).rules().rules_as(), "outcome_rules");
  EXPECT_FALSE(FindStage(pipeline, "search")->indexing().bulk().every().empty());

  v1::Pipeline again = pipeline;
  ApplyDefaults(&again);
  EXPECT_TRUE(MessageDifferencer::Equals(pipeline, again));
  EXPECT_EQ(Check(pipeline).ToText(), "");
}

// Of a stage that is made several, whose first part has these steps.
bool FirstPartKeepsTime(const std::string& steps, const std::string& by = "shop") {
  const Plan plan =
      Compile(ReadPipeline(base::StrCat(R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, partitions: 4, key: user, timestamp: at, fields: [{name: at, type: timestamp}, {name: user, type: string}, {name: shop, type: string}]}
  - {name: out}
  stages:
  - name: count
    scoring:
      from: in
      to: out
      steps: [)",
                                        steps, "{dedup: {by: [", by, "], within: 1h}}]\n")));
  EXPECT_EQ(plan.stages.size(), 2u);
  const v1::Pipeline& slice = plan.stages.front().slice;
  const v1::Scoring& scoring = slice.spec().stages(0).scoring();
  const std::string& to = scoring.outputs(0).to();
  EXPECT_TRUE(IsRepartitionTopic(slice, to)) << to;
  EXPECT_FALSE(IsRepartitionTopic(slice, scoring.from()));
  return KeepsTime(scoring, FindTopic(slice, scoring.from()), FindTopic(slice, to));
}

TEST(ExpandTest, ATimeThatAStepChangesIsNotKept) {
  EXPECT_TRUE(FirstPartKeepsTime(""));
  EXPECT_TRUE(FirstPartKeepsTime("{filter: shop != 'x'}, {set: [{name: more, value: '1'}]}, "));
  EXPECT_FALSE(FirstPartKeepsTime("{set: [{name: at, value: 'at + duration(\"1h\")'}]}, "));
  EXPECT_FALSE(FirstPartKeepsTime("{drop: [at]}, "));
  const std::string window =
      "{window: {by: [user, shop], tumbling: 1m, set: [{name: count, value: count()}]}}, ";
  EXPECT_TRUE(FirstPartKeepsTime(window));
  EXPECT_FALSE(FirstPartKeepsTime(window + "{set: [{name: window_start, value: window_end}]}, "));
  EXPECT_FALSE(FirstPartKeepsTime(window + "{select: [shop, count]}, "));
}

TEST(ToYamlTest, WritesTextThatReadsBack) {
  const std::string texts[] = {"plain",      "with space",  "",           "true",      "12",
                               "on",         "a: b",        "- a",        "#c",        "a #c",
                               "two\nlines", "ends\n",      "\nbegins",   "  indent",  "tab\there",
                               "quote\"'",   "back\\slash", "é ü \u2028", "\x7f",      "\u0085",
                               "\uFEFFmark", "a\n\n b\n",   "x\n\n",      "trailing ", "~",
                               "=",          "\x01",        "{a}",        "a\r\nb",    "😀"};
  for (const std::string& text : texts) {
    v1::Pipeline pipeline = ReadPipeline(kGoodManifest);
    (*pipeline.mutable_metadata()->mutable_annotations())["note"] = text;
    (*pipeline.mutable_metadata()->mutable_annotations())[text.empty() ? "on" : text] = "key";
    const v1::Pipeline again = ReadPipeline(ToYaml(pipeline));
    EXPECT_TRUE(MessageDifferencer::Equals(pipeline, again)) << ToYaml(pipeline);
  }
}

TEST(ToYamlTest, WritesEveryKindOfField) {
  v1::Pipeline pipeline = ReadPipeline(ReadTestFile(kSample));
  ApplyDefaults(&pipeline);
  EXPECT_TRUE(MessageDifferencer::Equals(pipeline, ReadPipeline(ToYaml(pipeline))))
      << ToYaml(pipeline);
}

}  // namespace
}  // namespace levada::pipeline
