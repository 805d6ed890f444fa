#include "operator/controller/workers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "core/base/strings.h"
#include "core/http/server.h"
#include "operator/kube/testing/silent_server.h"

namespace levada::controller {
namespace {

using kube::Json;
using kube::ObjectKey;
using kube::SilentServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using Clock = std::chrono::steady_clock;

bool Eventually(const std::function<bool()>& holds) {
  const auto until = Clock::now() + seconds(20);
  while (Clock::now() < until) {
    if (holds()) return true;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return holds();
}

// Answers GET /status as a worker does.
class FakeWorker {
 public:
  FakeWorker() {
    http::Server::Options options;
    options.address = "127.0.0.1";
    auto server = http::Server::Start(
        options, {{"GET", "/status", [this](http::ServerRequest, http::Responder responder) {
                     ++asked_;
                     http::ServerResponse response;
                     const std::lock_guard lock(mutex_);
                     response.body = status_;
                     responder.Send(std::move(response));
                   }}});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void Say(const std::string& status) {
    const std::lock_guard lock(mutex_);
    status_ = status;
  }
  void Say(int errors, int dead_letters, const std::string& error, const std::string& at) {
    Say(base::StrCat(R"({"state":"RUNNING","errors":")", errors, R"(","deadLetters":")",
                     dead_letters, R"(","lastError":")", error, R"(","lastErrorTime":")", at,
                     "\"}"));
  }
  uint16_t port() const { return server_->port(); }
  int asked() const { return asked_; }

 private:
  std::mutex mutex_;
  std::string status_;
  std::atomic<int> asked_{0};
  std::unique_ptr<http::Server> server_;
};

Json Pod(const std::string& name, uint16_t port, bool ready = true,
         const std::string& stage = "detect") {
  return {
      {"metadata",
       {{"name", name},
        {"namespace", "shop"},
        {"uid", name},
        {"labels", {{"levada.dev/pipeline", "fraud"}, {"levada.dev/stage", stage}}}}},
      {"spec", {{"containers", {{{"ports", {{{"name", "metrics"}, {"containerPort", port}}}}}}}}},
      {"status",
       {{"podIP", "127.0.0.1"},
        {"phase", "Running"},
        {"conditions", {{{"type", "Ready"}, {"status", ready ? "True" : "False"}}}}}}};
}

const ObjectKey kFraud{"shop", "fraud"};

class WorkersTest : public testing::Test {
 protected:
  static Workers::Options Quick() {
    return {.every = milliseconds(100),
            .soon = milliseconds(100),
            .quiet = milliseconds(50),
            .timeout = milliseconds(500),
            .per_second = 1000};
  }
  void Start(Workers& workers) {
    workers.Start([this](const ObjectKey& pipeline) {
      EXPECT_EQ(pipeline, kFraud);
      ++told_;
    });
  }
  std::atomic<int> told_{0};
};

TEST_F(WorkersTest, TheLatencyOfAStageIsThatOfItsSlowestWorker) {
  FakeWorker busy;
  FakeWorker idle;
  busy.Say(R"({"state":"RUNNING","lateEvents":"5","latencyP50Ms":2.5,"latencyP99Ms":40})");
  idle.Say(
      R"({"state":"RUNNING","errors":"1","lateEvents":"2","latencyP50Ms":-1,"latencyP99Ms":-1})");
  Workers workers(Quick());
  Start(workers);
  for (const Json& pod : {Pod("a", idle.port()), Pod("b", busy.port())}) {
    workers.Follow(nullptr, &pod);
  }
  ASSERT_TRUE(Eventually([&] {
    const Reported reported = workers.Of(kFraud, "detect");
    return reported.errors == 1 && reported.p99_ms == 40;
  }));
  EXPECT_EQ(workers.Of(kFraud, "detect").p50_ms, 2.5);
  EXPECT_EQ(workers.Of(kFraud, "detect").late_events, 7) << "of all";
  busy.Say(R"({"state":"RUNNING","errors":"1","latencyP50Ms":2.2,"latencyP99Ms":80})");
  ASSERT_TRUE(Eventually([&] { return workers.Of(kFraud, "detect").p99_ms == 80; }));
  EXPECT_EQ(workers.Of(kFraud, "detect").p50_ms, 2.5) << "about the same is the same";
}

TEST_F(WorkersTest, CountsOfAStageAreTheSumAndTheErrorTheNewest) {
  FakeWorker first;
  FakeWorker second;
  first.Say(3, 1, "older", "2026-05-01T10:00:00Z");
  second.Say(4, 0, "newer", "2026-05-01T11:00:00Z");
  Workers workers(Quick());
  Start(workers);
  for (const Json& pod : {Pod("a", first.port()), Pod("b", second.port())}) {
    workers.Follow(nullptr, &pod);
  }
  ASSERT_TRUE(Eventually([&] { return workers.Of(kFraud, "detect").errors == 7; }));
  const Reported reported = workers.Of(kFraud, "detect");
  EXPECT_EQ(reported.dead_letters, 1);
  EXPECT_EQ(reported.last_error, "newer");
  EXPECT_EQ(kube::ToTime(reported.last_error_micros), "2026-05-01T11:00:00Z");
  EXPECT_FALSE(workers.Of(kFraud, "other").known);
  EXPECT_TRUE(Eventually([&] { return told_ > 0; }));

  const Json gone = Pod("b", second.port());
  workers.Follow(&gone, nullptr);
  EXPECT_EQ(workers.Of(kFraud, "detect").errors, 3);
}

TEST_F(WorkersTest, WhatStaysTheSameIsNotToldAgain) {
  FakeWorker worker;
  worker.Say(1, 0, "x", "2026-05-01T10:00:00Z");
  Workers workers(Quick());
  Start(workers);
  const Json pod = Pod("a", worker.port());
  workers.Follow(nullptr, &pod);
  ASSERT_TRUE(Eventually([&] { return workers.Of(kFraud, "detect").known; }));
  const int asked = worker.asked();
  ASSERT_TRUE(Eventually([&] { return worker.asked() > asked + 2; }));
  const int told = told_;
  ASSERT_TRUE(Eventually([&] { return worker.asked() > asked + 8; }));
  EXPECT_EQ(told_, told);
  worker.Say(2, 0, "y", "2026-05-01T10:00:01Z");
  EXPECT_TRUE(Eventually([&] { return told_ > told; }));
}

TEST_F(WorkersTest, WorkersThatHangCostTheOthersNothing) {
  SilentServer silent;
  Workers workers(Quick());
  Start(workers);
  for (int i = 0; i < 200; ++i) {
    const Json pod = Pod(base::StrCat("hangs-", i), silent.port(), false, "other");
    workers.Follow(nullptr, &pod);
  }
  std::this_thread::sleep_for(milliseconds(700));  // all of them are being asked
  FakeWorker good;
  good.Say(5, 0, "x", "2026-05-01T10:00:00Z");
  const Json pod = Pod("good", good.port());
  const auto began = Clock::now();
  workers.Follow(nullptr, &pod);
  ASSERT_TRUE(Eventually([&] { return workers.Of(kFraud, "detect").known; }));
  EXPECT_LT(Clock::now() - began, seconds(2));
  const auto stopping = Clock::now();
  workers.Stop();
  EXPECT_LT(Clock::now() - stopping, seconds(1));
}

TEST_F(WorkersTest, TheBudgetHolds) {
  FakeWorker worker;
  worker.Say(0, 0, "", "");
  Workers::Options options = Quick();
  options.per_second = 20;
  Workers workers(options);
  Start(workers);
  for (int i = 0; i < 100; ++i) {
    const Json pod = Pod(base::StrCat("p", i), worker.port());
    workers.Follow(nullptr, &pod);
  }
  std::this_thread::sleep_for(milliseconds(2'500));  // 500 ms after the change, then 2 s
  EXPECT_GT(worker.asked(), 10);
  EXPECT_LT(worker.asked(), 60);
}

TEST_F(WorkersTest, NonsenseIsNoAnswer) {
  FakeWorker worker;
  worker.Say(R"({"state":"RUNNING","errors":-3,"deadLetters":[],"lastErrorTime":"now"})");
  FakeWorker other;
  other.Say("<html>");
  Workers workers(Quick());
  Start(workers);
  for (const Json& pod : {Pod("a", worker.port()), Pod("b", other.port())}) {
    workers.Follow(nullptr, &pod);
  }
  ASSERT_TRUE(Eventually([&] { return workers.Of(kFraud, "detect").known && other.asked() > 0; }));
  EXPECT_EQ(workers.Of(kFraud, "detect"), (Reported{.known = true}));
}

TEST_F(WorkersTest, WhyAPodIsNotReady) {
  FakeWorker worker;
  worker.Say(R"({"state":"RETRYING","message":"Kafka does not answer"})");
  Workers workers(Quick());
  Start(workers);
  Json pod = Pod("a", worker.port(), false);
  workers.Follow(nullptr, &pod);
  EXPECT_TRUE(Eventually(
      [&] { return workers.Of(kFraud, "detect").waiting == "a: Kafka does not answer"; }));

  Json ready = Pod("a", worker.port());
  workers.Follow(&pod, &ready);
  EXPECT_EQ(workers.Of(kFraud, "detect").waiting, "");

  Json crashing = pod;
  crashing["status"]["containerStatuses"] = {
      {{"state", {{"waiting", {{"reason", "CrashLoopBackOff"}, {"message", "back-off"}}}}},
       {"lastState", {{"terminated", {{"exitCode", 137}, {"reason", "OOMKilled"}}}}}}};
  workers.Follow(&ready, &crashing);
  EXPECT_EQ(workers.Of(kFraud, "detect").waiting, "a: ended with exit code 137 (OOMKilled)");

  Json pulling = pod;
  pulling["status"]["containerStatuses"] = {
      {{"state", {{"waiting", {{"reason", "ErrImagePull"}, {"message", "not found"}}}}}}};
  workers.Follow(&crashing, &pulling);
  EXPECT_EQ(workers.Of(kFraud, "detect").waiting, "a: ErrImagePull: not found");

  Json fetching = pod;
  fetching["status"]["containerStatuses"] = {
      {{"state", {{"waiting", {{"reason", "PodInitializing"}}}}}}};
  fetching["status"]["initContainerStatuses"] = {
      {{"name", "fetch"},
       {"state", {{"waiting", {{"reason", "CrashLoopBackOff"}, {"message", "back-off"}}}}},
       {"lastState",
        {{"terminated", {{"exitCode", 1}, {"message", "trying again\nno such key\n"}}}}}}};
  workers.Follow(&pulling, &fetching);
  EXPECT_EQ(workers.Of(kFraud, "detect").waiting, "a: fetch: no such key");
  std::swap(pulling, fetching);

  Json homeless = pod;
  homeless["status"]["conditions"].push_back(
      {{"type", "PodScheduled"}, {"status", "False"}, {"message", "0/3 nodes are available"}});
  workers.Follow(&pulling, &homeless);
  EXPECT_EQ(workers.Of(kFraud, "detect").waiting, "a: no node: 0/3 nodes are available");

  Json ending = homeless;
  ending["metadata"]["deletionTimestamp"] = "2026-05-01T10:00:00Z";
  workers.Follow(&homeless, &ending);
  EXPECT_EQ(workers.Of(kFraud, "detect"), Reported());
}

TEST(KeepOfPodTest, TheSameIsReadOfWhatIsKept) {
  Json pod = Pod("a", 9600, false);
  pod["status"]["containerStatuses"] = {
      {{"state", {{"waiting", {{"reason", "ErrImagePull"}, {"message", "not found"}}}}}}};
  pod["metadata"]["resourceVersion"] = "7";
  pod["spec"]["volumes"] = Json::array({std::string(10'000, 'x')});
  Json kept = pod;
  Workers::KeepOfPod(&kept);
  EXPECT_LT(kept.dump().size(), 1'000u);
  EXPECT_EQ(kube::ResourceVersionOf(kept), "7");
  Workers workers({});
  workers.Follow(nullptr, &kept);
  EXPECT_EQ(workers.Of(kFraud, "detect").waiting, "a: ErrImagePull: not found");
}

}  // namespace
}  // namespace levada::controller
