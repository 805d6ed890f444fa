#include "operator/kube/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "core/base/strings.h"
#include "operator/kube/testing/fake_clock.h"
#include "operator/kube/testing/fault_transport.h"
#include "operator/kube/testing/memory_server.h"

namespace levada::kube {
namespace {

using namespace std::chrono_literals;

struct Counts : public Probe {
  void EventWritten() override { ++written; }
  void EventDropped() override { ++dropped; }
  std::atomic<int> written = 0;
  std::atomic<int> dropped = 0;
};

class EventsTest : public ::testing::Test {
 protected:
  static Json Pipeline(const std::string& name, const std::string& name_space = "shop") {
    return {{"apiVersion", "levada.dev/v1alpha1"},
            {"kind", "Pipeline"},
            {"metadata",
             {{"name", name}, {"namespace", name_space}, {"uid", base::StrCat("uid-", name)}}}};
  }
  std::vector<Json> Written() {
    std::vector<Json> events;
    for (const auto& [path, event] : server_->objects()) events.push_back(event);
    return events;
  }

  FakeClock clock_;
  Counts counts_;
  std::shared_ptr<MemoryServer> server_ = std::make_shared<MemoryServer>();
  std::shared_ptr<FaultTransport> faults_ = std::make_shared<FaultTransport>(server_);
  Client client_{faults_, {}};
  EventRecorder events_{client_,
                        {.controller = "levada.dev/operator",
                         .instance = "pod-1",
                         .burst = 3,
                         .clock = &clock_,
                         .probe = &counts_}};
};

TEST_F(EventsTest, AnEventHasAllThatTheApiWants) {
  events_.Warning(Pipeline("fraud"), "KafkaAway", "Reconcile", "broker:9092 does not answer");
  ASSERT_TRUE(events_.Flush(10s));
  ASSERT_EQ(Written().size(), 1u);
  const Json event = Written()[0];
  EXPECT_EQ(event["kind"], "Event");
  EXPECT_EQ(event["type"], "Warning");
  EXPECT_EQ(event["reason"], "KafkaAway");
  EXPECT_EQ(event["action"], "Reconcile");
  EXPECT_EQ(event["note"], "broker:9092 does not answer");
  EXPECT_EQ(event["reportingController"], "levada.dev/operator");
  EXPECT_EQ(event["reportingInstance"], "pod-1");
  EXPECT_EQ(event["regarding"]["uid"], "uid-fraud");
  EXPECT_EQ(NamespaceOf(event), "shop");
  EXPECT_EQ(TextAt(event, {"eventTime"}).size(), 27u);
  EXPECT_FALSE(event.contains("series"));
}

TEST_F(EventsTest, WhatRepeatsBecomesASeriesThatIsWrittenNowAndThen) {
  for (int i = 0; i < 10; ++i) {
    events_.Warning(Pipeline("fraud"), "KafkaAway", "Reconcile", "away");
    ASSERT_TRUE(events_.Flush(10s));
    clock_.Advance(1s);
  }
  ASSERT_EQ(Written().size(), 1u);
  EXPECT_EQ(Written()[0]["series"]["count"], 10);
  EXPECT_EQ(counts_.dropped, 0);

  // Without a flush the second write waits for half a minute.
  const int before = faults_->calls();
  events_.Warning(Pipeline("fraud"), "KafkaAway", "Reconcile", "away");
  events_.Warning(Pipeline("fraud"), "KafkaAway", "Reconcile", "away");
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(faults_->calls(), before);
  clock_.Advance(30s);
  for (int i = 0; i < 10'000 && faults_->calls() == before; ++i) std::this_thread::sleep_for(1ms);
  ASSERT_TRUE(events_.Flush(10s));
  EXPECT_EQ(Written()[0]["series"]["count"], 12);
}

TEST_F(EventsTest, AfterAPauseANewEventBegins) {
  events_.Normal(Pipeline("fraud"), "Applied", "Apply", "done");
  ASSERT_TRUE(events_.Flush(10s));
  clock_.Advance(7min);
  events_.Normal(Pipeline("fraud"), "Applied", "Apply", "done");
  ASSERT_TRUE(events_.Flush(10s));
  EXPECT_EQ(Written().size(), 2u);
}

TEST_F(EventsTest, AnObjectThatTalksTooMuchIsCutShortAndOthersAreNot) {
  for (int i = 0; i < 10; ++i) {
    events_.Normal(Pipeline("loud"), "R", "A", base::StrCat("note ", i));
  }
  events_.Normal(Pipeline("quiet"), "R", "A", "note");
  ASSERT_TRUE(events_.Flush(10s));
  EXPECT_EQ(Written().size(), 4u);
  EXPECT_EQ(counts_.dropped, 7);
  clock_.Advance(1min);
  events_.Normal(Pipeline("loud"), "R", "A", "later");
  ASSERT_TRUE(events_.Flush(10s));
  EXPECT_EQ(Written().size(), 5u);
}

TEST_F(EventsTest, ASeriesWhoseEventIsGoneBeginsAnew) {
  events_.Normal(Pipeline("fraud"), "Applied", "Apply", "done");
  ASSERT_TRUE(events_.Flush(10s));
  for (const auto& [path, event] : server_->objects()) server_->Erase(path);
  events_.Normal(Pipeline("fraud"), "Applied", "Apply", "done");
  ASSERT_TRUE(events_.Flush(10s));
  ASSERT_EQ(Written().size(), 1u);
  EXPECT_EQ(Written()[0]["series"]["count"], 2);
}

TEST_F(EventsTest, AServerThatIsAwayForAMomentLosesNothing) {
  server_->SetAway(true);
  events_.Normal(Pipeline("fraud"), "Applied", "Apply", "done");
  for (int i = 0; i < 10'000 && faults_->calls() == 0; ++i) std::this_thread::sleep_for(1ms);
  server_->SetAway(false);
  for (int i = 0; i < 10'000 && counts_.written == 0; ++i) {
    clock_.Advance(1s);
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(Written().size(), 1u);
  EXPECT_EQ(counts_.dropped, 0);
}

TEST_F(EventsTest, LongTextsAreCutBetweenCharacters) {
  std::string note;
  for (int i = 0; i < 1000; ++i) note += "é";
  events_.Normal(Pipeline(std::string(253, 'n'), ""), "R", "A", note);
  ASSERT_TRUE(events_.Flush(10s));
  ASSERT_EQ(Written().size(), 1u);
  const std::string kept = Written()[0]["note"];
  EXPECT_LE(kept.size(), 1024u);
  EXPECT_TRUE(kept.ends_with("é..."));
  EXPECT_LE(NameOf(Written()[0]).size(), 253u);
  EXPECT_EQ(NamespaceOf(Written()[0]), "default");
}

}  // namespace
}  // namespace levada::kube
