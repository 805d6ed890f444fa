// The tests of a pipeline before its rollout, on a real API server. No Job runs there: the test
// writes what came of it, as the Job's controller would.

#include <prometheus/registry.h>

#include "operator/controller/testing/controller_test.h"
#include "operator/controller/turns.h"
#include "operator/controller/write.h"
#include "operator/kube/errors.h"

namespace levada::controller {
namespace {

class GateKubeTest : public ControllerKubeTest {
 protected:
  // The tests wait for the files that they read.
  GateKubeTest() { MakeConfigMap("fraud-model"); }

  void MakeConfigMap(const std::string& name) {
    const Json metadata = {{"name", name}, {"namespace", name_space_}};
    EXPECT_TRUE(user_->Create(kube::kConfigMaps, {{"metadata", metadata}}).ok());
  }

  // The one Job that is there; null where there is none, or more than one.
  Json Job() {
    const std::vector<Json> jobs = List(kube::kJobs);
    return jobs.size() == 1 ? jobs[0] : Json();
  }

  // Another one than `before`, alone.
  Json NextJob(const Json& before) {
    Json next;
    EXPECT_TRUE(Eventually([&] {
      next = Job();
      return !next.is_null() && kube::UidOf(next) != kube::UidOf(before);
    }));
    return next;
  }

  void End(const Json& job, bool passed, const char* why = "PodFailurePolicy") {
    const char* const now = "2026-01-01T00:00:00Z";
    const auto condition = [&](const char* type) {
      return Json{{"type", type},
                  {"status", "True"},
                  {"reason", passed ? "CompletionsReached" : why},
                  {"message", "as the test says"},
                  {"lastProbeTime", now},
                  {"lastTransitionTime", now}};
    };
    Json status = {{"startTime", now}};
    status["conditions"] = {condition(passed ? "SuccessCriteriaMet" : "FailureTarget"),
                            condition(passed ? "Complete" : "Failed")};
    if (passed) status["completionTime"] = now;
    const auto written = user_->Patch(kube::kJobs, kube::KeyOf(job), kube::PatchType::kMerge,
                                      {{"status", status}}, {.subresource = "status"});
    EXPECT_TRUE(written.ok()) << written.status();
  }

  // The last message of the Job's pod, which has failed.
  void Say(const Json& job, const char* text) {
    const Json metadata = {{"name", "tests"},
                           {"namespace", name_space_},
                           {"labels", {{"batch.kubernetes.io/controller-uid", kube::UidOf(job)}}}};
    const Json account = {{"name", "default"}, {"namespace", name_space_}};
    ASSERT_TRUE(user_->Create(kube::kServiceAccounts, {{"metadata", account}}).ok());
    const Json containers = Json::array({{{"name", "tests"}, {"image", "none"}}});
    const auto pod = user_->Create(
        kube::kPods, {{"metadata", metadata}, {"spec", {{"containers", containers}}}});
    ASSERT_TRUE(pod.ok()) << pod.status();
    const Json said = {
        {"name", "tests"},   {"image", "none"},
        {"imageID", ""},     {"ready", false},
        {"restartCount", 0}, {"state", {{"terminated", {{"exitCode", 1}, {"message", text}}}}}};
    const Json status = {{"phase", "Failed"}, {"containerStatuses", Json::array({said})}};
    const auto written = user_->Patch(kube::kPods, kube::KeyOf(*pod), kube::PatchType::kMerge,
                                      {{"status", status}}, {.subresource = "status"});
    ASSERT_TRUE(written.ok()) << written.status();
  }

  // How many the controller has taken at pipelines.
  uint64_t Looks() {
    uint64_t looks = 0;
    for (const auto& family : metrics_.registry().Collect()) {
      if (family.name != "levada_operator_reconcile_seconds") continue;
      for (const auto& metric : family.metric) looks += metric.histogram.sample_count;
    }
    return looks;
  }

  void EndsAndRuns(const Json& job) {
    End(job, true);
    ASSERT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  }

  static Json Edited(Json pipeline) {
    for (Json& stage : pipeline["spec"]["stages"]) {
      if (stage.contains("scoring")) stage["scoring"]["commitInterval"] = "250ms";
    }
    return pipeline;
  }
};

TEST_F(GateKubeTest, NothingIsMadeBeforeTheTestsHavePassed) {
  Apply(SampleWithTests());
  StartController();
  const Json job = NextJob(nullptr);
  EXPECT_TRUE(Eventually([&] { return ConditionOf("TestsPassed", "reason") == "TestsRunning"; }));
  EXPECT_EQ(ConditionOf("TestsPassed"), "Unknown");
  EXPECT_EQ(ConditionOf("StagesReady", "reason"), "TestsRunning");
  std::this_thread::sleep_for(seconds(1));
  EXPECT_TRUE(List(kube::kDeployments).empty());
  EXPECT_TRUE(kafka_.held);
  EXPECT_EQ(ConditionOf("TopicsReady"), "Unknown");
  EXPECT_FALSE(Settled());
  EndsAndRuns(job);
  EXPECT_FALSE(kafka_.held);
  EXPECT_EQ(List(kube::kDeployments).size(), kStages);
  EXPECT_EQ(ConditionOf("TestsPassed"), "True");
  EXPECT_EQ(ConditionOf("StagesReady", "reason"), "RollingOut");
  EXPECT_EQ(kube::NameOf(Job()), kube::NameOf(job)) << "the memory of the result";
}

TEST_F(GateKubeTest, TestsThatFailLeaveWhatRunsAndSayWhy) {
  const Json sample = SampleWithTests();
  Apply(sample);
  StartController();
  const Json first = NextJob(nullptr);
  EndsAndRuns(first);
  const auto before = Versions(kube::kDeployments);
  Apply(Edited(sample));
  const Json second = NextJob(first);
  Say(second, "1 of 3 tests failed: a\n");
  End(second, false);
  EXPECT_TRUE(Eventually([&] { return ConditionOf("TestsPassed") == "False"; })) << Live().dump(1);
  EXPECT_EQ(ConditionOf("TestsPassed", "reason"), "TestsFailed");
  EXPECT_NE(ConditionOf("TestsPassed", "message").find("1 of 3 tests failed: a."),
            std::string::npos)
      << ConditionOf("TestsPassed", "message");
  EXPECT_EQ(ConditionOf("Ready"), "False");
  EXPECT_EQ(ConditionOf("Degraded", "reason"), "TestsFailed");
  EXPECT_EQ(kube::TextAt(Live(), {"status", "phase"}), "Degraded");
  EXPECT_EQ(Versions(kube::kDeployments), before);
  EXPECT_FALSE(Settled());
  // As it was before: that has passed, and what ran is what is wanted.
  Apply(sample);
  ASSERT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  EXPECT_EQ(Versions(kube::kDeployments), before);
  EXPECT_EQ(ConditionOf("Degraded"), "False");
  EXPECT_TRUE(Eventually([&] { return List(kube::kJobs).empty(); }));
}

TEST_F(GateKubeTest, AChangeIsRolledOnceItsTestsHavePassed) {
  const Json sample = SampleWithTests();
  Apply(sample);
  StartController();
  const Json first = NextJob(nullptr);
  EndsAndRuns(first);
  const auto before = Versions(kube::kDeployments);
  Apply(Edited(sample));
  const Json second = NextJob(first);
  std::this_thread::sleep_for(seconds(1));
  EXPECT_EQ(Versions(kube::kDeployments), before);
  EndsAndRuns(second);
  EXPECT_NE(Versions(kube::kDeployments), before);
}

TEST_F(GateKubeTest, WhatIsHeldIsScaledAllTheSame) {
  Apply(Sample());
  StartController();
  ASSERT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  controller_->Stop();
  const auto deployments = [&] {
    std::map<std::string, Json> found;
    for (const Json& each : List(kube::kDeployments)) {
      found[kube::LabelOf(each, "levada.dev/stage")] = each;
    }
    return found;
  };
  auto before = deployments();
  Written written;
  Scale(*client_, before, {{"detect", 3}, {"search", 1}, {"new", 2}}, &written);
  EXPECT_TRUE(written.status.ok()) << written.status;
  ASSERT_EQ(written.changes.size(), 1U);
  EXPECT_EQ(written.changes[0].what, "spec.replicas: 1 -> 3");
  auto after = deployments();
  before["detect"]["spec"]["replicas"] = 3;
  EXPECT_EQ(after["detect"]["spec"], before["detect"]["spec"]);
  after.erase("detect");
  before.erase("detect");
  EXPECT_EQ(after, before);
  // A view that is out of date changes nothing.
  before["search"]["metadata"]["resourceVersion"] = "1";
  written = {};
  Scale(*client_, before, {{"search", 2}}, &written);
  EXPECT_TRUE(kube::IsConflict(written.status)) << written.status;
  // Nor is a stage of a paused pipeline started.
  for (auto& [stage, each] : after) each["spec"]["replicas"] = 0;
  written = {};
  Scale(*client_, after, {{"search", 2}}, &written);
  EXPECT_TRUE(written.status.ok()) << written.status;
  EXPECT_TRUE(written.changes.empty());
}

TEST_F(GateKubeTest, WhatIsNotTestedDoesNotWait) {
  Json sample = SampleWithTests();
  Apply(sample);
  StartController();
  const Json job = NextJob(nullptr);
  EndsAndRuns(job);
  sample["spec"]["restartNonce"] = 7;
  Apply(sample);
  ASSERT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  EXPECT_EQ(kube::UidOf(Job()), kube::UidOf(job));
}

TEST_F(GateKubeTest, WithoutItsTestsThePipelineIsRolledAtOnceAndTheirJobGoes) {
  Apply(SampleWithTests());
  StartController();
  NextJob(nullptr);
  Json without = SampleWithTests();
  without["spec"].erase("tests");
  Apply(without);
  ASSERT_TRUE(Eventually([&] { return Settled(); })) << Live().dump(1);
  EXPECT_TRUE(Eventually([&] { return List(kube::kJobs).empty(); }));
  EXPECT_EQ(ConditionOf("TestsPassed"), "");
  EXPECT_EQ(List(kube::kDeployments).size(), kStages);
}

TEST_F(GateKubeTest, WhoDeletesTheJobHasTheTestsRunAgain) {
  Apply(SampleWithTests());
  StartController();
  const Json job = NextJob(nullptr);
  End(job, false);
  ASSERT_TRUE(Eventually([&] { return ConditionOf("TestsPassed") == "False"; }));
  ASSERT_TRUE(user_
                  ->Delete(kube::kJobs, kube::KeyOf(job),
                           {.propagation = kube::DeleteOptions::Propagation::kBackground})
                  .ok());
  EndsAndRuns(NextJob(job));
}

TEST_F(GateKubeTest, WhoTidiesUpJobsHoldsNothingUp) {
  Apply(SampleWithTests());
  StartController();
  const Json job = NextJob(nullptr);
  EndsAndRuns(job);
  const auto before = Versions(kube::kDeployments);
  // Whoever deletes it before the controller sees its own status has the tests run once more.
  controller_->Stop();
  ASSERT_TRUE(user_
                  ->Delete(kube::kJobs, kube::KeyOf(job),
                           {.propagation = kube::DeleteOptions::Propagation::kBackground})
                  .ok());
  const uint64_t looks = Looks();
  controller_->Start();  // knows it from the status
  ASSERT_TRUE(Eventually([&] { return Looks() > looks; }));
  EXPECT_TRUE(List(kube::kJobs).empty());
  EXPECT_EQ(ConditionOf("TestsPassed"), "True");
  EXPECT_EQ(Versions(kube::kDeployments), before);
}

TEST_F(GateKubeTest, WhatFailedLongAgoForAReasonOutsideIsRunAgain) {
  Apply(SampleWithTests());
  StartController();
  const Json job = NextJob(nullptr);
  End(job, false, "DeadlineExceeded");
  const Json next = NextJob(job);
  EXPECT_EQ(kube::NameOf(next), kube::NameOf(job));
  EndsAndRuns(next);
}

TEST_F(GateKubeTest, WhatAFileIsReadFromIsAskedFor) {
  Json sample = SampleWithTests();
  sample["spec"]["tests"][0]["given"].push_back({{"topic", "transactions"}, {"file", "a.ndjson"}});
  Apply(sample);
  StartController();
  ASSERT_TRUE(Eventually([&] { return ConditionOf("TestsPassed") == "False"; }));
  EXPECT_NE(ConditionOf("TestsPassed", "message").find("a.ndjson"), std::string::npos);
  EXPECT_TRUE(List(kube::kJobs).empty());
  sample["spec"]["files"].push_back({{"path", "a.ndjson"}, {"configMap", "events"}});
  Apply(sample);
  ASSERT_TRUE(Eventually([&] { return ConditionOf("TestsPassed", "reason") == "TestsWaiting"; }));
  MakeConfigMap("events");
  EndsAndRuns(NextJob(nullptr));
}

// As when a newer operator tests all of them anew.
TEST_F(GateKubeTest, NoMoreThanAFewRunAtTheSameTime) {
  Json sample = SampleWithTests();
  constexpr size_t kPipelines = Turns::kMost + 2;
  for (size_t i = 0; i < kPipelines; ++i) {
    sample["metadata"]["name"] = base::StrCat("p", i);
    Apply(sample);
  }
  StartController();
  size_t ended = 0;
  const auto running = [&] {
    std::vector<Json> jobs = List(kube::kJobs);
    std::erase_if(jobs, [](const Json& job) { return kube::Find(job, {"status", "startTime"}); });
    return jobs;
  };
  const auto waiting = [&] {
    size_t count = 0;
    for (size_t i = 0; i < kPipelines; ++i) {
      key_.name = base::StrCat("p", i);
      const std::string message = ConditionOf("TestsPassed", "message");
      if (ConditionOf("TestsPassed", "reason") != "TestsWaiting") continue;
      count += message.find("wait for their turn") != std::string::npos;
    }
    return count;
  };
  for (; ended < kPipelines; ++ended) {
    const size_t wanted = std::min(Turns::kMost, kPipelines - ended);
    ASSERT_TRUE(Eventually([&] { return running().size() == wanted; })) << running().size();
    const size_t wait = kPipelines - ended - wanted;
    if (wait > 0) {
      std::this_thread::sleep_for(milliseconds(1'500));  // those that wait ask again
      ASSERT_EQ(running().size(), wanted);
    }
    ASSERT_TRUE(Eventually([&] { return waiting() == wait; })) << waiting();
    if (ended == 0) {  // another operator finds the Jobs that are there
      controller_->Stop();
      controller_->Start();
    }
    End(running()[0], true);
  }
}

// A fence around a pod's template: the Job stays as somebody's admission has changed it.
TEST_F(GateKubeTest, AJobIsNotWrittenTwice) {
  Apply(SampleWithTests());
  StartController();
  const Json job = NextJob(nullptr);
  ASSERT_TRUE(user_
                  ->Patch(kube::kJobs, kube::KeyOf(job), kube::PatchType::kMerge,
                          {{"spec", {{"activeDeadlineSeconds", 300}}}})
                  .ok());
  std::this_thread::sleep_for(seconds(1));
  EXPECT_EQ(kube::IntAt(Job(), {"spec", "activeDeadlineSeconds"}), 300);
  EXPECT_EQ(ConditionOf("StagesReady", "reason"), "TestsRunning");
  EndsAndRuns(Job());
}

TEST_F(GateKubeTest, NothingIsWrittenWhileTheyRunOrHaveFailed) {
  Apply(SampleWithTests());
  StartController();
  const Json job = NextJob(nullptr);
  for (const bool failed : {false, true}) {
    if (failed) End(job, false);
    ASSERT_TRUE(Eventually([&] {
      return ConditionOf("TestsPassed", "reason") == (failed ? "TestsFailed" : "TestsRunning");
    }));
    std::this_thread::sleep_for(seconds(1));
    faulty_->Reset();
    std::this_thread::sleep_for(seconds(1));
    controller_->Stop();
    controller_->Start();  // looks at everything again
    std::this_thread::sleep_for(seconds(1));
    for (const std::string& call : faulty_->log()) {
      if (call.find("/events") != std::string::npos) continue;
      EXPECT_EQ(call.substr(0, 3), "GET") << call;
    }
  }
}

}  // namespace
}  // namespace levada::controller
