#include "operator/render/tests.h"

#include <gmock/gmock.h>

#include "core/base/strings.h"
#include "core/base/time.h"
#include "operator/render/names.h"
#include "operator/render/testing.h"

namespace levada::render {
namespace {

using kube::Json;
using testing::Contains;
using testing::Pair;
using Outcome = Tests::Outcome;

constexpr char kStage[] =
    "{name: score, scoring: {from: orders, to: scored, steps: [{model: {xgboost: models/m.json, "
    "inputs: [amount], as: risk}}]}}";
constexpr char kTests[] = R"(  files:
  - {path: models/m.json, configMap: model}
  - {path: given.ndjson, configMap: events}
  tests:
  - name: first
    given: [{topic: orders, file: given.ndjson}]
    expect: [{stage: score, count: 1}]
)";

Scene WithTests() { return Scene(OneStage(kStage, kTests)); }

Json JobOf(const Scene& scene) { return scene.Tests().objects.back(); }

// As the Job controller leaves it.
Json Ended(Json job, const char* condition, const char* reason) {
  job["metadata"]["uid"] = "1";
  job["status"]["conditions"] = Json::array({{{"type", condition},
                                              {"status", "True"},
                                              {"reason", reason},
                                              {"message", "m"},
                                              {"lastTransitionTime", "2026-01-01T00:00:00Z"}}});
  return job;
}

TEST(Tests, APipelineWithoutAnyHasNothingMore) {
  const Scene scene(OneStage("{name: a, scoring: {from: orders, to: scored}}"));
  EXPECT_EQ(scene.Tests().outcome, Outcome::kNone);
  EXPECT_FALSE(scene.Tests().hold);
  EXPECT_TRUE(scene.Tests().objects.empty());
}

TEST(Tests, HoldUntilTheirJobHasPassed) {
  Scene scene = WithTests();
  EXPECT_EQ(scene.Tests().outcome, Outcome::kRunning);
  EXPECT_TRUE(scene.Tests().hold);
  scene.jobs = {JobOf(scene)};
  EXPECT_EQ(scene.Tests().outcome, Outcome::kRunning);
  scene.jobs = {Ended(JobOf(scene), "Failed", "PodFailurePolicy")};
  EXPECT_EQ(scene.Tests().outcome, Outcome::kFailed);
  EXPECT_TRUE(scene.Tests().hold);
  EXPECT_EQ(scene.Tests().why, "m");
  EXPECT_FALSE(scene.Tests().again_micros) << "they would fail again";
  scene.jobs = {Ended(JobOf(scene), "Complete", "")};
  EXPECT_EQ(scene.Tests().outcome, Outcome::kPassed);
  EXPECT_FALSE(scene.Tests().hold);
  scene.jobs[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  EXPECT_TRUE(scene.Tests().hold) << "it is about to be forgotten";
}

TEST(Tests, WhatHasPassedBeforeIsNotRunAgain) {
  Scene scene = WithTests();
  const Json job = JobOf(scene);
  scene.live["status"]["testsJob"] = kube::NameOf(job);
  EXPECT_EQ(scene.Tests().outcome, Outcome::kPassed);
  EXPECT_FALSE(scene.Tests().hold);
  EXPECT_TRUE(scene.Tests().objects.empty());
  scene.jobs = {Ended(job, "Complete", "")};
  EXPECT_EQ(scene.Tests().objects.back(), job) << "it stays";
  scene.jobs[0]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  EXPECT_FALSE(scene.Tests().hold);
  scene.live["spec"]["tests"][0]["name"] = "second";
  EXPECT_TRUE(scene.Tests().hold);
}

TEST(Tests, AJobThatFailedForAReasonOutsideIsMadeAnewAfterAWhile) {
  Scene scene = WithTests();
  const Json wanted = scene.Tests().objects;
  const int64_t at = *base::ParseTimestamp("2026-01-01T00:00:00Z");
  for (const char* reason : {"DeadlineExceeded", "BackoffLimitExceeded"}) {
    scene.jobs = {Ended(JobOf(WithTests()), "Failed", reason)};
    scene.now_micros = at + 599'000'000;
    EXPECT_EQ(scene.Tests().outcome, Outcome::kFailed);
    EXPECT_EQ(scene.Tests().again_micros, at + 600'000'000);
    EXPECT_EQ(scene.Tests().objects, wanted);
    scene.now_micros = at + 600'000'000;
    EXPECT_EQ(scene.Tests().outcome, Outcome::kRunning);
    EXPECT_TRUE(scene.Tests().hold);
    EXPECT_EQ(scene.Tests().objects.size(), wanted.size() - 1) << "the Job is a leftover";
    EXPECT_NE(scene.Tests().objects.back()["kind"], "Job");
  }
}

TEST(Tests, WhatIsTestedNamesTheJob) {
  const std::string before = WithTests().Tests().job;
  const auto after = [&](const auto& change) {
    Scene scene = WithTests();
    change(&scene);
    return scene.Tests().job;
  };
  EXPECT_EQ(after([](Scene*) {}), before);
  EXPECT_NE(after([](Scene* s) { s->settings.image = "other"; }), before);
  EXPECT_NE(after([](Scene* s) { s->live["spec"]["tests"][0]["name"] = "second"; }), before);
  EXPECT_NE(after([](Scene* s) { s->live["spec"]["stages"][0]["scoring"]["steps"] = {}; }), before);
  for (const char* input : {"model", "events"}) {
    EXPECT_NE(after([&](Scene* s) {
                s->facts.versions[{Input::Kind::kConfigMap, input}] = "2";
              }),
              before);
  }
  EXPECT_EQ(after([](Scene* s) { s->live["spec"]["stages"][0]["replicas"] = 7; }), before);
  EXPECT_EQ(after([](Scene* s) { s->live["spec"]["restartNonce"] = 7; }), before);
  EXPECT_EQ(after([](Scene* s) { s->live["spec"]["paused"] = true; }), before);
}

TEST(Tests, AnotherTestIsNoReasonToRollTheStages) {
  Scene scene = WithTests();
  const Json before = scene.Deployment("score");
  scene.facts.versions[{Input::Kind::kConfigMap, "events"}] = "2";
  EXPECT_EQ(scene.Deployment("score"), before);
  scene.facts.versions[{Input::Kind::kConfigMap, "model"}] = "2";
  EXPECT_NE(scene.Deployment("score"), before);
}

TEST(Tests, HaveTheFilesOfTheStagesAndTheirOwn) {
  const Json pod = JobOf(WithTests())["spec"]["template"]["spec"];
  std::map<std::string, std::string> files;
  for (const Json& mount : pod["containers"][0]["volumeMounts"]) {
    files[mount["mountPath"]] = mount["name"];
  }
  EXPECT_THAT(files, Contains(Pair("/etc/levada/files/models/m.json", "file-0")));
  EXPECT_THAT(files, Contains(Pair("/etc/levada/files/given.ndjson", "file-1")));
  EXPECT_THAT(files, Contains(Pair("/etc/levada/files/tests.yaml", "slice")));
  EXPECT_EQ(pod["containers"][0]["command"].back(), "/etc/levada/files/tests.yaml");
  EXPECT_FALSE(pod.contains("initContainers"));
}

TEST(Tests, OnlyWhoFetchesFilesHasTheKeysOfBuckets) {
  const Scene scene = Scene::OfFile("operator/render/testdata/tests.yaml");
  const Json pod = JobOf(scene)["spec"]["template"]["spec"];
  const auto mounts = [](const Json& container) { return container["volumeMounts"].dump(); };
  EXPECT_THAT(mounts(pod["initContainers"][0]), testing::HasSubstr("/etc/levada/secrets/bucket"));
  EXPECT_THAT(mounts(pod["containers"][0]), testing::Not(testing::HasSubstr("secrets")));
  EXPECT_EQ(scene.Object("NetworkPolicy", "shop-levada-tests")["spec"]["policyTypes"],
            Json::array({"Ingress"}))
      << "the bucket is outside";
  EXPECT_EQ(WithTests().Object("NetworkPolicy", "shop-levada-tests")["spec"]["policyTypes"],
            Json::array({"Ingress", "Egress"}));
}

TEST(Tests, ANewKeyOfABucketIsNoReasonToRunThemAgain) {
  Scene scene = Scene::OfFile("operator/render/testdata/tests.yaml");
  const std::string before = scene.Tests().job;
  scene.facts.versions[{Input::Kind::kSecret, "bucket"}] = "2";
  EXPECT_EQ(scene.Tests().job, before);
  scene.facts.versions.erase({Input::Kind::kSecret, "bucket"});
  EXPECT_EQ(scene.Tests().outcome, Outcome::kWaiting);
}

TEST(Tests, WaitForWhatTheyRead) {
  Scene scene = WithTests();
  scene.facts.versions.erase({Input::Kind::kConfigMap, "model"});
  EXPECT_EQ(scene.Tests().outcome, Outcome::kWaiting);
  EXPECT_TRUE(scene.Tests().hold);
  EXPECT_THAT(scene.Tests().why, testing::HasSubstr("ConfigMap model"));
  EXPECT_TRUE(scene.Tests().objects.empty());
}

TEST(Tests, AFileThatHasNoSourceIsNamed) {
  Scene scene = WithTests();
  scene.pipeline.mutable_spec()->mutable_files()->RemoveLast();
  EXPECT_EQ(scene.Tests().outcome, Outcome::kFailed);
  EXPECT_TRUE(scene.Tests().hold);
  EXPECT_THAT(scene.Tests().why, testing::HasSubstr("{path: given.ndjson, configMap: …}"));
  EXPECT_TRUE(scene.Tests().objects.empty());
}

TEST(Tests, RunWhereAllStagesMayRun) {
  const auto pod_of = [](const char* first, const char* second) {
    Scene scene(OneStage(base::StrCat("{name: score, pod: ", first,
                                      ", scoring: {from: orders, to: scored}}\n  - {name: b, pod: ",
                                      second, ", archiving: {from: scored, parquet: {folder: f}}}"),
                         kTests));
    return JobOf(scene)["spec"]["template"]["spec"];
  };
  const Json pod =
      pod_of("{nodeSelector: {arch: arm64, disk: ssd}, tolerations: [{key: x, operator: Exists}]}",
             "{nodeSelector: {arch: arm64, disk: hdd}, tolerations: [{key: x, operator: Exists}, "
             "{key: z, operator: Exists}]}");
  EXPECT_EQ(pod["nodeSelector"], Json({{"arch", "arm64"}}));
  EXPECT_EQ(pod["tolerations"], Json::array({{{"key", "x"}, {"operator", "Exists"}},
                                             {{"key", "z"}, {"operator", "Exists"}}}));
  EXPECT_FALSE(pod_of("{nodeSelector: {arch: arm64}}", "{}").contains("nodeSelector"));
  EXPECT_FALSE(pod_of("{}", "{}").contains("tolerations"));
}

TEST(Tests, HaveTheResourcesOfTheInstallation) {
  Scene scene = WithTests();
  const auto resources = [&] {
    return JobOf(scene)["spec"]["template"]["spec"]["containers"][0]["resources"];
  };
  EXPECT_EQ(resources()["limits"]["memory"], "2Gi");
  (*scene.settings.test_resources.mutable_limits())["memory"] = "8Gi";
  EXPECT_EQ(resources(), Json({{"limits", {{"memory", "8Gi"}}}}));
}

TEST(Tests, APausedPipelineIsNotHeld) {
  Scene scene = WithTests();
  scene.pipeline.mutable_spec()->set_paused(true);
  EXPECT_EQ(scene.Tests().outcome, Outcome::kRunning);
  EXPECT_FALSE(scene.Tests().hold);
}

TEST(Tests, AManifestThatIsTooLargeForAConfigMapSaysSo) {
  Scene scene = WithTests();
  scene.live["spec"]["tests"][0]["given"][0]["events"] = {{{"text", std::string(1 << 20, 'x')}}};
  EXPECT_EQ(scene.Tests().outcome, Outcome::kFailed);
  EXPECT_THAT(scene.Tests().why, testing::HasSubstr("fit into a ConfigMap"));
  EXPECT_TRUE(scene.Tests().objects.empty());
}

// Nothing that selects workers selects them: Services, monitors, policies, `levada logs`.
TEST(Tests, TheirPodsAreNoWorkers) {
  const Json labels = JobOf(WithTests())["spec"]["template"]["metadata"]["labels"];
  for (const std::string_view label :
       {kPipelineLabel, kStageLabel, std::string_view("app.kubernetes.io/managed-by")}) {
    EXPECT_FALSE(labels.contains(label)) << label;
  }
}

}  // namespace
}  // namespace levada::render
