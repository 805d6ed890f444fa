// The controller on a real API server: what it makes, keeps, puts right and takes away. Kafka is
// as the test says; no pod runs.

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <sstream>

#include "core/base/random.h"
#include "core/base/strings.h"
#include "operator/controller/pipeline_controller.h"
#include "operator/kube/testing/fault_transport.h"
#include "operator/render/render.h"

namespace levada::controller {
namespace {

using kube::Json;
using kube::ObjectKey;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kStages = 6;  // of the sample

std::string Read(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

Json ToJson(const YAML::Node& node) {
  if (node.IsSequence()) {
    Json list = Json::array();
    for (const YAML::Node& element : node) list.push_back(ToJson(element));
    return list;
  }
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& entry : node) object[entry.first.as<std::string>()] = ToJson(entry.second);
    return object;
  }
  const std::string text = node.IsNull() ? "" : node.as<std::string>();
  if (node.Tag() == "!") return text;  // quoted
  const Json plain = Json::parse(text, nullptr, false);
  return plain.is_discarded() ? Json(text) : plain;
}

class KafkaAsPlanned : public KafkaState {
 public:
  void Start(OnChange) override {}
  void Stop() override {}
  PipelineInKafka Want(const Wanted&) override {
    PipelineInKafka known;
    known.ready = {.status = "True", .reason = "AsPlanned", .message = "all topics are there"};
    return known;
  }
  void Forget(const ObjectKey&) override {}
  std::optional<absl::Status> Delete(const Wanted&) override { return absl::OkStatus(); }
};

class ControllerKubeTest : public testing::Test {
 protected:
  ControllerKubeTest() {
    const char* kubeconfig = std::getenv("LEVADA_KUBECONFIG");
    const auto config = kube::LoadConfig({.kubeconfig = kubeconfig == nullptr ? "" : kubeconfig});
    EXPECT_TRUE(config.ok()) << config.status();
    auto transport = kube::Transport::Create(*config, {});
    EXPECT_TRUE(transport.ok()) << transport.status();
    real_ = *std::move(transport);
    faulty_ = std::make_shared<kube::FaultTransport>(real_);
    user_ = std::make_unique<kube::Client>(real_, kube::Client::Options{.field_manager = "user"});
    client_ = std::make_unique<kube::Client>(
        faulty_, kube::Client::Options{.requests_per_second = 1000, .burst = 1000});
    InstallCrd();
    name_space_ = base::StrCat("t", base::RandomSeed() % 1'000'000'000);
    EXPECT_TRUE(user_->Create(kube::kNamespaces, {{"metadata", {{"name", name_space_}}}}).ok());
  }

  ~ControllerKubeTest() override {
    controller_.reset();
    user_->Delete(kube::kPipelines, key_).IgnoreError();
    user_->Delete(kube::kNamespaces, {"", name_space_}).IgnoreError();
  }

  void InstallCrd() {
    const Json crd = ToJson(YAML::Load(Read("manifests/crd/pipelines.levada.dev.yaml")));
    const auto applied = user_->Apply(kube::kCustomResourceDefinitions, crd, {.force = true});
    ASSERT_TRUE(applied.ok()) << applied.status();
    ASSERT_TRUE(Eventually([&] { return user_->List(kube::kPipelines).ok(); }));
  }

  Json Sample() const {
    Json sample = ToJson(YAML::Load(Read("manifests/samples/fraud-prevention.yaml")));
    sample["metadata"]["namespace"] = name_space_;
    return sample;
  }

  void Apply(const Json& pipeline) {
    key_ = kube::KeyOf(pipeline);
    const auto applied = user_->Apply(kube::kPipelines, pipeline, {.force = true});
    ASSERT_TRUE(applied.ok()) << applied.status();
  }

  void StartController() {
    controller_ = std::make_unique<PipelineController>(
        *client_, kafka_, metrics_,
        PipelineController::Options{.name_space = name_space_, .identity = "test"});
    controller_->Start();
  }

  template <typename Condition>
  static bool Eventually(const Condition& condition, seconds limit = seconds(20)) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (std::chrono::steady_clock::now() < until) {
      if (condition()) return true;
      std::this_thread::sleep_for(milliseconds(20));
    }
    return condition();
  }

  Json Live() { return user_->Get(kube::kPipelines, key_).value_or(Json()); }
  std::string ConditionOf(std::string_view type, const char* field = "status") {
    const Json live = Live();
    const Json* conditions = kube::Find(live, {"status", "conditions"});
    const Json* found = conditions == nullptr ? nullptr : kube::FindCondition(*conditions, type);
    return found == nullptr ? "" : found->value(field, "");
  }
  // The newest manifest is carried out.
  bool Settled() {
    const Json live = Live();
    return kube::IntAt(live, {"status", "appliedGeneration"}) == kube::GenerationOf(live) &&
           kube::IntAt(live, {"status", "observedGeneration"}) == kube::GenerationOf(live);
  }

  std::vector<Json> List(const kube::Resource& resource) {
    auto objects = user_->List(resource, {.name_space = name_space_,
                                          .label_selector = "app.kubernetes.io/managed-by=levada"});
    EXPECT_TRUE(objects.ok()) << objects.status();
    return objects.value_or(std::vector<Json>());
  }
  std::map<std::string, std::string> Versions(const kube::Resource& resource) {
    std::map<std::string, std::string> versions;
    for (const Json& object : List(resource)) {
      versions[kube::NameOf(object)] = kube::ResourceVersionOf(object);
    }
    return versions;
  }

  std::shared_ptr<kube::Transport> real_;
  std::shared_ptr<kube::FaultTransport> faulty_;
  std::unique_ptr<kube::Client> user_;
  std::unique_ptr<kube::Client> client_;
  KafkaAsPlanned kafka_;
  Metrics metrics_;
  std::string name_space_;
  ObjectKey key_;
  std::unique_ptr<PipelineController> controller_;
};

TEST_F(ControllerKubeTest, APipelineBecomesItsObjects) {
  Apply(Sample());
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  EXPECT_EQ(List(kube::kDeployments).size(), kStages);
  EXPECT_EQ(List(kube::kServiceAccounts).size(), 1u);
  EXPECT_EQ(ConditionOf("Valid"), "True");
  EXPECT_EQ(ConditionOf("TopicsReady"), "True");
  EXPECT_EQ(ConditionOf("StagesReady"), "False");  // no pod runs on a bare API server
  EXPECT_EQ(ConditionOf("Ready"), "False");
  for (const Json& deployment : List(kube::kDeployments)) {
    EXPECT_EQ(kube::ControllerUidOf(deployment), kube::UidOf(Live()));
  }
}

TEST_F(ControllerKubeTest, NothingIsWrittenWhenNothingChanges) {
  Apply(Sample());
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); }));
  std::this_thread::sleep_for(seconds(1));
  const std::string version = kube::ResourceVersionOf(Live());
  faulty_->Reset();
  controller_->Stop();
  controller_->Start();  // looks at everything again
  std::this_thread::sleep_for(seconds(2));
  for (const std::string& call : faulty_->log()) EXPECT_EQ(call.substr(0, 3), "GET") << call;
  EXPECT_EQ(kube::ResourceVersionOf(Live()), version);
}

TEST_F(ControllerKubeTest, AnEditOfOneStageChangesThatStageAlone) {
  Json sample = Sample();
  Apply(sample);
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); }));
  const auto before = Versions(kube::kDeployments);
  for (Json& stage : sample["spec"]["stages"]) {
    if (stage.contains("scoring")) stage["scoring"]["commitInterval"] = "250ms";
  }
  Apply(sample);
  ASSERT_TRUE(Eventually([&] { return Settled() && Versions(kube::kDeployments) != before; }));
  for (const auto& [name, version] : Versions(kube::kDeployments)) {
    EXPECT_EQ(version == before.at(name), name != "fraud-prevention-detect") << name;
  }
}

TEST_F(ControllerKubeTest, AStageThatIsRemovedGoes) {
  Json sample = Sample();
  Apply(sample);
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); }));
  Json& stages = sample["spec"]["stages"];
  stages.erase(std::remove_if(stages.begin(), stages.end(),
                              [](const Json& stage) { return stage.contains("notify"); }),
               stages.end());
  Apply(sample);
  EXPECT_TRUE(Eventually([&] { return List(kube::kDeployments).size() == kStages - 1; }));
  EXPECT_TRUE(Eventually([&] { return Live()["status"]["stages"].size() == kStages - 1; }));
}

TEST_F(ControllerKubeTest, WhatSomebodyChangesByHandIsPutRight) {
  Apply(Sample());
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); }));
  const ObjectKey detect{name_space_, "fraud-prevention-detect"};
  const Json patch = {{"spec", {{"template", {{"spec", {{"terminationGracePeriodSeconds", 1}}}}}}}};
  ASSERT_TRUE(user_->Patch(kube::kDeployments, detect, kube::PatchType::kMerge, patch).ok());
  EXPECT_TRUE(Eventually([&] {
    const auto live = user_->Get(kube::kDeployments, detect);
    return live.ok() &&
           kube::IntAt(*live, {"spec", "template", "spec", "terminationGracePeriodSeconds"}) > 1;
  }));
  ASSERT_TRUE(user_->Delete(kube::kDeployments, detect).ok());
  EXPECT_TRUE(Eventually([&] { return user_->Get(kube::kDeployments, detect).ok(); }));
}

TEST_F(ControllerKubeTest, AnObjectOfSomebodyElseIsNotTouched) {
  const Json theirs = {
      {"metadata", {{"name", "fraud-prevention-detect"}, {"namespace", name_space_}}},
      {"spec", {{"selector", {{"app", "theirs"}}}, {"ports", {{{"port", 80}}}}}}};
  ASSERT_TRUE(user_->Create(kube::kServices, theirs).ok());
  Apply(Sample());
  StartController();
  EXPECT_TRUE(Eventually([&] { return ConditionOf("StagesReady", "reason") == "WriteFailed"; }))
      << Live().dump(1);
  EXPECT_NE(ConditionOf("StagesReady", "message").find("Service fraud-prevention-detect"),
            std::string::npos);
  EXPECT_EQ(List(kube::kDeployments).size(), kStages) << "the rest is made all the same";
  const auto live = user_->Get(kube::kServices, kube::KeyOf(theirs));
  EXPECT_EQ((*live)["spec"]["selector"]["app"], "theirs");
}

TEST_F(ControllerKubeTest, AnInvalidManifestLeavesWhatRuns) {
  Json sample = Sample();
  Apply(sample);
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); }));
  const auto before = Versions(kube::kDeployments);
  for (Json& stage : sample["spec"]["stages"]) {
    if (stage.contains("scoring")) stage["scoring"]["from"] = "no_such_topic";
  }
  Apply(sample);
  EXPECT_TRUE(Eventually([&] { return ConditionOf("Valid") == "False"; }));
  EXPECT_NE(ConditionOf("Valid", "message").find("no_such_topic"), std::string::npos);
  EXPECT_EQ(ConditionOf("Degraded"), "True");
  EXPECT_EQ(Versions(kube::kDeployments), before);
}

// The process ends at call number N, for each N of a create, and another one goes on.
TEST_F(ControllerKubeTest, AnOperatorThatDiesAtAnyCallIsTakenUpByTheNext) {
  Apply(Sample());
  int calls = 1;
  for (int call = 1; call <= calls && call < 80; call += 7) {
    SCOPED_TRACE(call);
    faulty_->Reset();
    faulty_->FailFrom(call);
    StartController();
    std::this_thread::sleep_for(milliseconds(300));
    controller_.reset();
    faulty_->Reset();
    StartController();
    ASSERT_TRUE(Eventually([&] { return Settled(); }));
    calls = std::max(calls, faulty_->calls());
    controller_.reset();
    EXPECT_EQ(List(kube::kDeployments).size(), kStages);
    user_->Delete(kube::kPipelines, key_).IgnoreError();
    for (const kube::Resource* resource : render::Kinds()) {
      if (!user_->Serves(*resource).value_or(false)) continue;
      for (const Json& object : List(*resource)) {
        user_->Delete(*resource, kube::KeyOf(object)).IgnoreError();
      }
    }
    Apply(Sample());
  }
}

}  // namespace
}  // namespace levada::controller
