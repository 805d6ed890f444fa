#include "operator/kube/work_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "core/base/strings.h"
#include "operator/kube/testing/fake_clock.h"

namespace levada::kube {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class WorkQueueTest : public ::testing::Test {
 protected:
  // What is due now, each taken and done. What has come due is moved by Get, behind what was queued
  // before: a key of our own makes Get return where nothing was.
  std::vector<std::string> TakeAll() {
    std::vector<std::string> keys;
    queue_.Add("~");
    while (queue_.depth() > 0) {
      const std::string key = *queue_.Get();
      queue_.Done(key);
      if (key != "~") keys.push_back(key);
    }
    return keys;
  }

  FakeClock clock_;
  WorkQueue queue_{{.jitter = 0, .clock = &clock_}};
};

TEST_F(WorkQueueTest, AKeyIsInItOnceAndInTheOrderOfItsFirstAdd) {
  for (const char* key : {"a", "b", "a", "c", "b"}) queue_.Add(key);
  EXPECT_THAT(TakeAll(), ElementsAre("a", "b", "c"));
}

TEST_F(WorkQueueTest, AKeyAddedWhileWorkedOnComesAgainAfterDone) {
  queue_.Add("a");
  EXPECT_EQ(queue_.Get(), "a");
  queue_.Add("a");
  queue_.Add("a");
  EXPECT_EQ(queue_.depth(), 0u);
  queue_.Done("a");
  EXPECT_EQ(queue_.depth(), 1u);
  EXPECT_EQ(queue_.Get(), "a");
  queue_.Done("a");
  EXPECT_EQ(queue_.depth(), 0u);
}

TEST_F(WorkQueueTest, LowKeysGiveWayButAreNotStarved) {
  for (int i = 0; i < 3; ++i) queue_.Add(base::StrCat("low", i), WorkQueue::Urgency::kLow);
  for (int i = 0; i < 5; ++i) queue_.Add(base::StrCat("n", i));
  EXPECT_THAT(TakeAll(), ElementsAre("n0", "n1", "n2", "low0", "n3", "n4", "low1", "low2"));
}

TEST_F(WorkQueueTest, LowKeysLeaveAWorkerToTheOthers) {
  WorkQueue queue({.most_low = 1});
  for (const char* key : {"low1", "low2"}) queue.Add(key, WorkQueue::Urgency::kLow);
  EXPECT_EQ(queue.Get(), "low1");
  std::thread adder([&] {
    std::this_thread::sleep_for(20ms);
    queue.Add("edit");
  });
  EXPECT_EQ(queue.Get(), "edit") << "low2 waits for low1";
  adder.join();
  queue.Done("edit");
  queue.Done("low1");
  EXPECT_EQ(queue.Get(), "low2");
  queue.Done("low2");
  EXPECT_TRUE(queue.Drain(1s));
}

TEST_F(WorkQueueTest, ALowKeyThatIsAddedNormallyIsNoLongerLow) {
  queue_.Add("x", WorkQueue::Urgency::kLow);
  queue_.Add("y", WorkQueue::Urgency::kLow);
  queue_.Add("y");
  EXPECT_THAT(TakeAll(), ElementsAre("y", "x"));
}

TEST_F(WorkQueueTest, AddAfterWaitsAndTheEarliestTimeCounts) {
  queue_.AddAfter("a", 10s);
  queue_.AddAfter("a", 20s);
  queue_.AddAfter("b", 20s);
  queue_.AddAfter("b", 10s);
  EXPECT_THAT(TakeAll(), ElementsAre());
  clock_.Advance(10s);
  EXPECT_THAT(TakeAll(), ElementsAre("a", "b"));
  clock_.Advance(60s);
  EXPECT_THAT(TakeAll(), ElementsAre());  // once each
}

TEST_F(WorkQueueTest, AnEarlierTimeWakesWhoWaitsForALaterOne) {
  WorkQueue queue({});
  queue.AddAfter("late", 1h);
  std::thread adder([&] {
    std::this_thread::sleep_for(20ms);
    queue.AddAfter("soon", 20ms);
  });
  EXPECT_EQ(queue.Get(), "soon");
  adder.join();
}

TEST_F(WorkQueueTest, RetriesWaitLongerEachTimeUntilForget) {
  for (const auto wait : {50ms, 100ms, 200ms, 400ms}) {
    queue_.AddRateLimited("a");
    clock_.Advance(wait - 1ms);
    EXPECT_THAT(TakeAll(), ElementsAre()) << wait.count();
    clock_.Advance(1ms);
    EXPECT_THAT(TakeAll(), ElementsAre("a")) << wait.count();
  }
  EXPECT_EQ(queue_.Retries("a"), 4);
  queue_.Forget("a");
  EXPECT_EQ(queue_.Retries("a"), 0);
  queue_.AddRateLimited("a");
  clock_.Advance(50ms);
  EXPECT_THAT(TakeAll(), ElementsAre("a"));
}

TEST_F(WorkQueueTest, RetriesNeverWaitLongerThanTheLimit) {
  for (int i = 0; i < 100; ++i) {
    queue_.AddRateLimited("a");
    clock_.Advance(300s);
    ASSERT_THAT(TakeAll(), ElementsAre("a"));
  }
}

TEST_F(WorkQueueTest, JitterLengthensByAtMostItsShare) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    FakeClock clock;
    WorkQueue queue({.first_retry = 100ms, .jitter = 0.5, .seed = seed, .clock = &clock});
    queue.AddRateLimited("a");
    clock.Advance(150ms);
    EXPECT_EQ(queue.Get(), "a");
  }
}

TEST_F(WorkQueueTest, ShutDownGivesOutWhatIsDueThenNothing) {
  queue_.Add("a");
  queue_.AddAfter("later", 1s);
  queue_.ShutDown();
  queue_.Add("b");
  clock_.Advance(1h);
  EXPECT_EQ(queue_.Get(), "a");
  queue_.Done("a");
  EXPECT_EQ(queue_.Get(), std::nullopt);
}

TEST_F(WorkQueueTest, DrainWaitsForWhoWorks) {
  WorkQueue queue({});
  queue.Add("a");
  ASSERT_EQ(queue.Get(), "a");
  EXPECT_FALSE(queue.Drain(10ms));
  std::thread worker([&] {
    std::this_thread::sleep_for(20ms);
    queue.Done("a");
  });
  EXPECT_TRUE(queue.Drain(10s));
  worker.join();
}

TEST_F(WorkQueueTest, NoKeyIsWithTwoWorkersAndNoAddIsLost) {
  WorkQueue queue({});
  constexpr int kKeys = 20;
  std::array<std::atomic<int>, kKeys> working{};
  std::array<std::atomic<int>, kKeys> added{};
  std::array<std::atomic<int>, kKeys> seen{};
  std::atomic<bool> twice = false;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (const auto key = queue.Get()) {
        const size_t k = std::stoul(*key);
        if (++working[k] > 1) twice = true;
        seen[k] = added[k].load();
        std::this_thread::yield();
        --working[k];
        queue.Done(*key);
      }
    });
  }
  for (int i = 0; i < 20'000; ++i) {
    const size_t k = static_cast<size_t>(i * 7 % kKeys);
    ++added[k];
    queue.Add(std::to_string(k));
  }
  EXPECT_TRUE(queue.Drain(30s));
  threads.clear();
  EXPECT_FALSE(twice);
  for (size_t k = 0; k < kKeys; ++k) EXPECT_EQ(seen[k], added[k]) << k;
}

}  // namespace
}  // namespace levada::kube
