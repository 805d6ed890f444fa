// Whatever holds a Pipeline gives up in bounded time and says what it left, with a real API server,
// a real Kafka and one that does not answer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_join.h"
#include "operator/controller/testing/operator_test.h"
#include "operator/kube/testing/silent_server.h"

namespace levada::controller {
namespace {

using kube::Json;
using kube::SilentServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// Ten seconds of it pass in one.
class FastClock : public kube::Clock {
 public:
  Time Now() override { return began_ + kTimes * (std::chrono::steady_clock::now() - began_); }
  int64_t WallMicros() override {
    return wall_began_ + kTimes * (kube::RealClock().WallMicros() - wall_began_);
  }
  bool WaitUntil(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Time until,
                 const std::function<bool()>& done) override {
    return changed.wait_until(lock, began_ + (until - began_) / kTimes, done);
  }

 private:
  static constexpr int kTimes = 10;
  const Time began_ = std::chrono::steady_clock::now();
  const int64_t wall_began_ = kube::RealClock().WallMicros();
};

class EndingKubeTest : public OperatorTest {
 protected:
  // Notes of the events of this reason.
  std::string Notes(std::string_view reason) {
    std::string notes;
    for (const Json& event :
         client_->List(kube::kEvents, {.name_space = space_}).value_or(std::vector<Json>())) {
      if (kube::TextAt(event, {"reason"}) == reason) notes += kube::TextAt(event, {"note"}) + "\n";
    }
    return notes;
  }
  void Live() {
    Operator whole(*this);
    whole.Start();
    ASSERT_TRUE(Settles());
  }
};

TEST_F(EndingKubeTest, AKafkaThatHangsHoldsUpADeletionForAMinuteAtMost) {
  SilentServer silent;
  Json pipeline = Pipeline();
  pipeline["spec"]["connections"]["kafka"]["kafka"]["brokers"] = silent.address();
  FastClock clock;
  Operator running(*this, clock);
  Apply(pipeline);
  running.Start();
  ASSERT_TRUE(
      kube::Becomes([&] { return ConditionOf("TopicsReady", "reason") == "KafkaUnavailable"; }));
  const auto began = std::chrono::steady_clock::now();
  Delete();
  EXPECT_TRUE(kube::Becomes([&] { return ConditionOf("Ready", "reason") == "Terminating"; }));
  EXPECT_THAT(ConditionOf("Ready", "message"), HasSubstr("given up 60 s after"));
  ASSERT_TRUE(Gone());
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_GT(took, milliseconds(5900)) << "a Kafka that comes back in time is waited for";
  EXPECT_LT(took, milliseconds(8000)) << "a minute of ten times as fast";
  EXPECT_TRUE(kube::Becomes([&] { return !Notes("TopicsLeft").empty(); }, seconds(10)));
  EXPECT_THAT(Notes("TopicsLeft"), HasSubstr("delete the topics by hand"));
}

// An upgrade of the operator takes longer than a minute easily.
TEST_F(EndingKubeTest, ADeletionThatHadToWaitForTheOperatorIsNotGivenUp) {
  class Later : public FastClock {
    int64_t WallMicros() override {
      return kube::RealClock().WallMicros() +
             std::chrono::microseconds(std::chrono::hours(2)).count();
    }
  };
  Apply(Pipeline());
  Live();
  ASSERT_TRUE(kube::Becomes([&] { return TopicsInKafka().size() == 3; }, seconds(5)));
  Delete();
  Later clock;
  Operator next(*this, clock);
  next.Start();
  ASSERT_TRUE(Gone());
  EXPECT_TRUE(kube::Becomes([&] { return TopicsInKafka().empty(); }, seconds(5)));
  EXPECT_EQ(Notes("TopicsLeft"), "");
}

TEST_F(EndingKubeTest, APipelineThatBecameInvalidGoesAndItsTopicsAreNamed) {
  Apply(Pipeline());
  Operator running(*this);
  running.Start();
  ASSERT_TRUE(Settles());
  Json wrong = Pipeline();
  wrong["spec"]["stages"][1]["scoring"]["from"] = "nowhere";
  Apply(wrong);
  ASSERT_TRUE(kube::Becomes([&] { return ConditionOf("Valid") == "False"; }));
  Delete();
  ASSERT_TRUE(Gone());
  EXPECT_TRUE(kube::Becomes([&] { return !Notes("TopicsLeft").empty(); }, seconds(10)));
  EXPECT_THAT(Notes("TopicsLeft"), HasSubstr(key_.name + ".orders"));
  EXPECT_EQ(TopicsInKafka().size(), 3u) << "which they are is not known for sure";
}

TEST_F(EndingKubeTest, APipelineThatTheOperatorKeepsItsHandsOffGoesAtOnce) {
  Apply(Pipeline());
  Operator running(*this);
  running.Start();
  ASSERT_TRUE(Settles());
  const Json paused = {{"metadata", {{"annotations", {{"levada.dev/reconcile", "paused"}}}}}};
  ASSERT_TRUE(client_->Patch(kube::kPipelines, key_, kube::PatchType::kMerge, paused).ok());
  Delete();
  ASSERT_TRUE(Gone());
  EXPECT_EQ(TopicsInKafka().size(), 3u);
  EXPECT_TRUE(kube::Becomes([&] { return !Notes("TopicsLeft").empty(); }, seconds(10)));
}

// The API server alone has no garbage collection and finishes no namespace. What can be seen: the
// operator makes nothing in it again and writes no more.
TEST_F(EndingKubeTest, ANamespaceThatIsBeingDeletedIsLeftInPeace) {
  Apply(Pipeline());
  Operator running(*this);
  running.Start();
  ASSERT_TRUE(Settles());
  ASSERT_TRUE(client_->Delete(kube::kNamespaces, {"", space_}).ok());
  CollectGarbage();
  std::this_thread::sleep_for(seconds(2));
  running.faults->Reset();
  std::this_thread::sleep_for(seconds(3));
  EXPECT_LT(running.faults->calls(), 10)
      << "it does not hammer at a closed door: " << absl::StrJoin(running.faults->log(), "\n");
  EXPECT_TRUE(Objects().empty());
  Delete();
  EXPECT_TRUE(Gone());
  EXPECT_TRUE(kube::Becomes([&] { return TopicsInKafka().empty(); }, seconds(5)));
}

}  // namespace
}  // namespace levada::controller
