// The operator is ended at each of its calls of a create, an edit and a delete in turn, and another
// one goes on, with a real API server and a real Kafka. By default every seventh call; with
// LEVADA_LONG_TESTS set (./dev test --long), every one.

#include <gtest/gtest.h>

#include "operator/controller/testing/operator_test.h"

namespace levada::controller {
namespace {

using kube::Json;
using std::chrono::milliseconds;

int Step() { return std::getenv("LEVADA_LONG_TESTS") == nullptr ? 7 : 1; }

class FaultKubeTest : public OperatorTest {
 protected:
  // A life that ends at call number `call`. At every other one the server still gets that call,
  // and only its answer is lost. False: it came to rest before so many calls.
  bool LiveUntil(int call) {
    Operator ended(*this);
    if (call % 2 == 0) {
      ended.faults->FailCall(call, kube::Fault::kAnswerLost);
      ended.faults->FailFrom(call + 1);
    } else {
      ended.faults->FailFrom(call);
    }
    ended.Start();
    int seen = -1;
    for (auto quiet = 0; quiet < 100; ++quiet) {
      std::this_thread::sleep_for(milliseconds(20));
      const int calls = ended.faults->calls();
      if (calls >= call) return true;
      if (calls != seen) quiet = 0;
      seen = calls;
    }
    return false;
  }

  void LiveToTheEnd() {
    Operator whole(*this);
    whole.Start();
    ASSERT_TRUE(Settles()) << Live().dump(1);
  }

  // Another stage, another slice, another setting of a topic, and a stage less.
  Json Edited() const {
    Json edited = Pipeline();
    edited["spec"]["topics"][0]["retention"] = "2h";
    edited["spec"]["stages"][1]["scoring"]["steps"][0]["filter"] = "amount > 200";
    edited["spec"]["stages"][2] = {
        {"name", "more"},
        {"archiving", {{"from", key_.name + ".large"}, {"ndjson", {{"folder", "more"}}}}}};
    return edited;
  }

  void ExpectAll(const std::map<std::string, Json>& wanted) {
    // What is left over is taken away by the same look that makes the rest.
    EXPECT_TRUE(kube::Becomes([&] { return Objects() == wanted; }, std::chrono::seconds(10)));
    for (const auto& [name, object] : Objects()) {
      ASSERT_TRUE(wanted.contains(name)) << name << " is left over";
      EXPECT_EQ(object, wanted.at(name)) << name;
    }
    EXPECT_EQ(Objects().size(), wanted.size());
    EXPECT_TRUE(
        kube::Becomes([&] { return TopicsInKafka().size() == 3; }, std::chrono::seconds(5)));
    EXPECT_EQ(ManagedTopics(), TopicsInKafka()) << "who made them is known";
  }
};

TEST_F(FaultKubeTest, AnOperatorThatEndsAtAnyCallOfACreateIsTakenUpByTheNext) {
  Apply(Pipeline());
  LiveToTheEnd();
  const std::map<std::string, Json> wanted = Objects();
  int ended = 0;
  for (int call = 1;; call += Step()) {
    SCOPED_TRACE(call);
    {  // One that is not disturbed clears up.
      Operator clearing(*this);
      clearing.Start();
      Delete();
      ASSERT_TRUE(Gone());
    }
    CollectGarbage();
    Apply(Pipeline());
    if (!LiveUntil(call)) break;
    ++ended;
    LiveToTheEnd();
    ExpectAll(wanted);
    if (HasFailure()) break;
  }
  EXPECT_GE(ended, 35 / Step()) << "calls of a create";
  RecordProperty("calls", ended);
}

TEST_F(FaultKubeTest, AnOperatorThatEndsAtAnyCallOfAnEditIsTakenUpByTheNext) {
  Apply(Edited());
  LiveToTheEnd();
  std::map<std::string, Json> edited = Objects();
  Apply(Pipeline());
  LiveToTheEnd();
  std::map<std::string, Json> wanted = Objects();
  // Data outlives its stage: the volume of a stage that is gone stays.
  edited["PersistentVolumeClaim " + key_.name + "-files"] =
      wanted.at("PersistentVolumeClaim " + key_.name + "-files");
  int ended = 0;
  for (int call = 1;; call += Step()) {
    SCOPED_TRACE(call);
    Apply(Edited());
    const bool reached = LiveUntil(call);
    LiveToTheEnd();
    ExpectAll(edited);
    Apply(Pipeline());
    LiveToTheEnd();
    ExpectAll(wanted);
    if (!reached || HasFailure()) break;
    ++ended;
  }
  EXPECT_GE(ended, 25 / Step()) << "calls of an edit";
  RecordProperty("calls", ended);
}

TEST_F(FaultKubeTest, AnOperatorThatEndsAtAnyCallOfADeleteIsTakenUpByTheNext) {
  int ended = 0;
  for (int call = 1;; call += (Step() + 1) / 2) {
    SCOPED_TRACE(call);
    Apply(Pipeline());
    LiveToTheEnd();
    ASSERT_TRUE(
        kube::Becomes([&] { return TopicsInKafka().size() == 3; }, std::chrono::seconds(5)));
    Delete();
    const bool reached = LiveUntil(call);
    {
      Operator next(*this);
      next.Start();
      EXPECT_TRUE(Gone());
    }
    EXPECT_TRUE(kube::Becomes([&] { return TopicsInKafka().empty(); }, std::chrono::seconds(5)));
    CollectGarbage();
    if (!reached || HasFailure()) break;
    ++ended;
  }
  EXPECT_GE(ended, 15 / ((Step() + 1) / 2)) << "calls of a delete";
  RecordProperty("calls", ended);
}

}  // namespace
}  // namespace levada::controller
