// The controller on a real API server: what it makes, keeps, puts right and takes away. Kafka is
// as the test says; no pod runs.

#include "operator/controller/testing/controller_test.h"
#include "operator/render/render.h"

namespace levada::controller {
namespace {

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
  controller_->Stop();  // writes what was left to say of the first look
  faulty_->Reset();
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

TEST_F(ControllerKubeTest, APipelineIsReadyWhenItsDeploymentsAre) {
  const auto named = [&](const char* name) {
    return Json{{"metadata", {{"name", name}, {"namespace", name_space_}}}};
  };
  ASSERT_TRUE(user_->Create(kube::kConfigMaps, named("fraud-model")).ok());
  ASSERT_TRUE(user_->Create(kube::kSecrets, named("mail-login")).ok());
  Apply(Sample());
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); }));
  EXPECT_EQ(ConditionOf("Ready"), "False") << "no pod runs";
  for (const Json& deployment : List(kube::kDeployments)) {
    const int64_t replicas = kube::IntAt(deployment, {"spec", "replicas"});
    const Json done = {
        {"metadata", {{"name", kube::NameOf(deployment)}, {"namespace", name_space_}}},
        {"status",
         {{"observedGeneration", kube::GenerationOf(deployment)},
          {"replicas", replicas},
          {"updatedReplicas", replicas},
          {"readyReplicas", replicas},
          {"availableReplicas", replicas}}}};
    const auto applied = user_->ApplyStatus(kube::kDeployments, done, {.force = true});
    ASSERT_TRUE(applied.ok()) << applied.status();
  }
  EXPECT_TRUE(Eventually([&] { return ConditionOf("Ready") == "True"; })) << Live().dump(1);
  EXPECT_EQ(Live()["status"]["stagesReady"], base::StrCat(kStages, "/", kStages));
}

TEST_F(ControllerKubeTest, AStageThatIsRemovedGoes) {
  Json sample = Sample();
  Apply(sample);
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); }));
  sample["spec"].erase("tests");  // which name the stage
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
