#pragma once

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <atomic>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/base/random.h"
#include "core/base/strings.h"
#include "operator/controller/pipeline_controller.h"
#include "operator/kube/testing/fault_transport.h"

// For tests of the controller on a real API server, with the fraud-prevention sample: Kafka is as
// planned, no pod runs.
//
// Threads: one.
namespace levada::controller {

using kube::Json;
using kube::ObjectKey;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr size_t kStages = 6;  // of the sample

inline std::string Read(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

inline Json ToJson(const YAML::Node& node) {
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
  PipelineInKafka Want(const Wanted& wanted) override {
    held = wanted.hold;
    PipelineInKafka known;
    if (held) return known;
    known.ready = {.status = "True", .reason = "AsPlanned", .message = "all topics are there"};
    return known;
  }
  void Forget(const ObjectKey&) override {}
  std::optional<absl::Status> Delete(const Wanted&) override { return absl::OkStatus(); }

  std::atomic<bool> held{false};  // the topics, when they were last asked for
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

  // Without its tests: no Job ends here by itself.
  Json Sample() const {
    Json sample = SampleWithTests();
    sample["spec"].erase("tests");
    return sample;
  }

  Json SampleWithTests() const {
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

}  // namespace levada::controller
