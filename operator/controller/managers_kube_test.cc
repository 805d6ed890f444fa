// Others write to the operator's objects as well, on a real API server.

#include <gtest/gtest.h>

#include "operator/controller/testing/operator_test.h"

namespace levada::controller {
namespace {

using kube::Json;
using std::chrono::seconds;

class ManagersKubeTest : public OperatorTest {
 protected:
  void SetUp() override {
    OperatorTest::SetUp();
    if (IsSkipped()) return;
    Apply(Pipeline());
    operator_ = std::make_unique<Operator>(*this);
    operator_->Start();
    ASSERT_TRUE(Settles());
    std::this_thread::sleep_for(seconds(1));
  }
  void TearDown() override {
    operator_.reset();
    OperatorTest::TearDown();
  }

  kube::ObjectKey Filter() const { return {space_, key_.name + "-filter"}; }
  Json Deployment() { return client_->Get(kube::kDeployments, Filter()).value_or(Json()); }
  // Writes to Deployments since the last Reset.
  int Writes() const {
    int writes = 0;
    for (const std::string& call : operator_->faults->log()) {
      if (call.starts_with("PATCH") && call.find("/deployments/") != std::string::npos) ++writes;
    }
    return writes;
  }

  std::unique_ptr<Operator> operator_;
};

TEST_F(ManagersKubeTest, WhatTheOperatorDoesNotOwnStaysAsSomebodySetsIt) {
  operator_->faults->Reset();
  // As `kubectl annotate`, `kubectl scale` and `kubectl rollout restart` do it.
  const Json restarted = {{"kubectl.kubernetes.io/restartedAt", "2026-01-01T00:00:00Z"}};
  const Json edit = {
      {"metadata", {{"annotations", {{"team", "risk"}}}, {"labels", {{"cost", "42"}}}}},
      {"spec", {{"replicas", 3}, {"template", {{"metadata", {{"annotations", restarted}}}}}}}};
  ASSERT_TRUE(client_->Patch(kube::kDeployments, Filter(), kube::PatchType::kMerge, edit).ok());
  std::this_thread::sleep_for(seconds(2));
  EXPECT_EQ(Writes(), 0);
  // Nor does a change of the pipeline take it away.
  Json changed = Pipeline();
  changed["spec"]["stages"][1]["scoring"]["steps"][0]["filter"] = "amount > 200";
  Apply(changed);
  ASSERT_TRUE(Settles());
  const Json live = Deployment();
  EXPECT_GT(Writes(), 0);
  EXPECT_EQ(kube::AnnotationOf(live, "team"), "risk");
  EXPECT_EQ(kube::LabelOf(live, "cost"), "42");
  EXPECT_EQ(kube::IntAt(live, {"spec", "replicas"}), 3);
  EXPECT_EQ(kube::TextAt(live, {"spec", "template", "metadata", "annotations",
                                "kubectl.kubernetes.io/restartedAt"}),
            "2026-01-01T00:00:00Z");
}

TEST_F(ManagersKubeTest, WhatTheOperatorOwnsIsTakenBackOnceATime) {
  const auto grace = [&] {
    return kube::IntAt(Deployment(), {"spec", "template", "spec", "terminationGracePeriodSeconds"});
  };
  const int64_t before = grace();
  Json theirs = {{"metadata", {{"name", Filter().name}, {"namespace", space_}}}};
  theirs["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1;
  for (int time = 1; time <= 3; ++time) {
    SCOPED_TRACE(time);
    operator_->faults->Reset();
    const auto taken =
        client_->Apply(kube::kDeployments, theirs, {.force = true, .field_manager = "gitops"});
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_TRUE(kube::Becomes([&] { return grace() == before; }, seconds(10)));
    std::this_thread::sleep_for(seconds(1));
    EXPECT_EQ(Writes(), 1) << "once for each time";
  }
  // The other one is told, unless it forces.
  const auto refused = client_->Apply(kube::kDeployments, theirs, {.field_manager = "gitops"});
  EXPECT_TRUE(absl::IsAborted(refused.status())) << refused.status();
  EXPECT_NE(refused.status().message().find("levada-operator"), absl::string_view::npos);
}

TEST_F(ManagersKubeTest, WhatSomebodyDeletesComesBack) {
  const std::map<std::string, Json> wanted = Objects();
  CollectGarbage();
  EXPECT_TRUE(kube::Becomes([&] { return Objects() == wanted; }, seconds(20)));
}

}  // namespace
}  // namespace levada::controller
