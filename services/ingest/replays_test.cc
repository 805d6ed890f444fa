#include "services/ingest/replays.h"

#include <gtest/gtest.h>

#include "core/base/strings.h"
#include "services/ingest/rate_limiter.h"

namespace levada::ingest {
namespace {

using Kind = Claim::Kind;
using Code = EventResult::Code;
using std::chrono::hours;
using std::chrono::seconds;

const Replays::Clock::time_point kNow = Replays::Clock::now();

void Nobody(const std::vector<EventResult>*) {}

EventResult Accepted(int32_t partition, int64_t offset) {
  return {.code = Code::kAccepted, .partition = partition, .offset = offset};
}

TEST(ReplaysTest, AnswersTheSameAgain) {
  Replays replays;
  EXPECT_EQ(replays.Begin("k", 1, kNow, Nobody).kind, Kind::kNew);
  const std::vector<EventResult> results = {
      Accepted(1, 10), Accepted(1, 11), {.code = Code::kInvalid, .error = "bad"}, Accepted(0, 5)};
  replays.End("k", &results, kNow);
  const Claim claim = replays.Begin("k", 1, kNow + hours(23), Nobody);
  ASSERT_EQ(claim.kind, Kind::kDone);
  ASSERT_EQ(claim.results.size(), 4u);
  EXPECT_EQ(claim.results[1].offset, 11);
  EXPECT_EQ(claim.results[2].error, "bad");
  EXPECT_EQ(claim.results[3].partition, 0);
  EXPECT_EQ(replays.Begin("k", 2, kNow, Nobody).kind, Kind::kConflict);
  EXPECT_EQ(replays.Begin("k", 2, kNow + hours(25), Nobody).kind, Kind::kNew);
}

TEST(ReplaysTest, DuplicatesUnderWayWaitForTheFirst) {
  Replays replays;
  replays.Begin("k", 1, kNow, Nobody);
  int heard = 0;
  const auto waiter = [&](const std::vector<EventResult>* results) {
    heard += results == nullptr ? 100 : static_cast<int>(results->size());
  };
  EXPECT_EQ(replays.Begin("k", 1, kNow, waiter).kind, Kind::kWaiting);
  EXPECT_EQ(replays.Begin("k", 1, kNow, waiter).kind, Kind::kWaiting);
  const std::vector<EventResult> results = {Accepted(0, 1)};
  replays.End("k", &results, kNow);
  EXPECT_EQ(heard, 2);
}

TEST(ReplaysTest, RefusedRequestsAreForgotten) {
  Replays replays;
  bool refused = false;
  replays.Begin("k", 1, kNow, Nobody);
  replays.Begin("k", 1, kNow, [&](const auto* results) { refused = results == nullptr; });
  replays.End("k", nullptr, kNow);
  EXPECT_TRUE(refused);
  EXPECT_EQ(replays.size(), 0u);
  EXPECT_EQ(replays.Begin("k", 2, kNow, Nobody).kind, Kind::kNew);
}

TEST(ReplaysTest, WhatKafkaDidNotTakeIsResumed) {
  Replays replays;
  replays.Begin("k", 1, kNow, Nobody);
  const std::vector<EventResult> half = {Accepted(0, 1), {.error = "timed out"}};
  replays.End("k", &half, kNow);
  const Claim claim = replays.Begin("k", 1, kNow, Nobody);
  ASSERT_EQ(claim.kind, Kind::kResume);
  EXPECT_EQ(claim.results[0].code, Code::kAccepted);
  EXPECT_EQ(claim.results[1].code, Code::kUnavailable);
  replays.End("k", nullptr, kNow);  // refused this time: what was known stays
  EXPECT_EQ(replays.Begin("k", 1, kNow, Nobody).kind, Kind::kResume);
}

TEST(ReplaysTest, MemoryIsBounded) {
  Replays replays({.keys = 1000, .bytes = 100'000, .age = hours(24)});
  for (int i = 0; i < 5000; ++i) {
    const std::string key = base::StrCat("key ", i);
    ASSERT_EQ(replays.Begin(key, 1, kNow, Nobody).kind, Kind::kNew);
    const std::vector<EventResult> results = {Accepted(0, i)};
    replays.End(key, &results, kNow);
    ASSERT_EQ(replays.Begin("key 0", 1, kNow, Nobody).kind, Kind::kDone) << "used, so kept; " << i;
  }
  EXPECT_LE(replays.size(), 1000u);
  EXPECT_GE(replays.size(), 200u);
  EXPECT_EQ(replays.Begin("key 4999", 1, kNow, Nobody).kind, Kind::kDone);
  EXPECT_EQ(replays.Begin("key 1", 1, kNow, Nobody).kind, Kind::kNew);
}

TEST(ReplaysTest, RequestsUnderWayStay) {
  Replays replays({.keys = 2, .bytes = 100'000, .age = hours(24)});
  replays.Begin("a", 1, kNow, Nobody);
  replays.Begin("b", 1, kNow, Nobody);
  EXPECT_EQ(replays.Begin("c", 1, kNow, Nobody).kind, Kind::kFull);
  EXPECT_EQ(replays.Begin("a", 1, kNow, Nobody).kind, Kind::kWaiting);
}

TEST(ReplaysTest, NeighboursArePackedTogether) {
  std::vector<EventResult> results;
  for (int i = 0; i < 10'000; ++i) results.push_back(Accepted(3, 1000 + i));
  EXPECT_LT(PackedResults(results).bytes(), 100u);
}

TEST(ResultsTest, Json) {
  const std::vector<EventResult> results = {
      Accepted(3, 17), {.code = Code::kInvalid, .error = "a \"b\""}, {.error = "down"}};
  EXPECT_EQ(ToJson(results, Count(results), false),
            "{\"accepted\":1,\"rejected\":2,\"results\":["
            "{\"index\":0,\"status\":\"accepted\",\"partition\":3,\"offset\":17},"
            "{\"index\":1,\"status\":\"invalid\",\"error\":\"a \\\"b\\\"\"},"
            "{\"index\":2,\"status\":\"unavailable\",\"error\":\"down\"}]}\n");
  EXPECT_EQ(ToJson(results, Count(results), true),
            "{\"accepted\":1,\"rejected\":2,\"results\":["
            "{\"index\":1,\"status\":\"invalid\",\"error\":\"a \\\"b\\\"\"},"
            "{\"index\":2,\"status\":\"unavailable\",\"error\":\"down\"}]}\n");
}

TEST(RateLimiterTest, HoldsTheRateOverBatches) {
  const auto begin = RateLimiter::Clock::now();
  RateLimiter limiter(100);
  size_t taken = 0;
  for (int ms = 0; ms < 10'000; ms += 10) {
    if (limiter.Take(30, begin + std::chrono::milliseconds(ms)).count() == 0) taken += 30;
  }
  EXPECT_GE(taken, 1000u);
  EXPECT_LE(taken,
            1000u + 100u + 30u);  // the first second's worth at once, the last batch's excess
}

TEST(RateLimiterTest, LargeBatchesPassAndArePaidFor) {
  const auto begin = RateLimiter::Clock::now();
  RateLimiter limiter(10);
  EXPECT_EQ(limiter.Take(110, begin), seconds(0));
  EXPECT_EQ(limiter.Take(1, begin), seconds(11));
  EXPECT_EQ(limiter.Take(1, begin + seconds(9)).count(), 2);
  EXPECT_EQ(limiter.Take(1, begin + seconds(11)), seconds(0));
  RateLimiter unlimited(0);
  EXPECT_EQ(unlimited.Take(1'000'000'000, begin), seconds(0));
}

}  // namespace
}  // namespace levada::ingest
