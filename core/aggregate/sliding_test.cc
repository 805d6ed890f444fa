#include "core/aggregate/sliding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "core/aggregate/testing.h"

namespace levada::aggregate {
namespace {

using Arrival = SlidingState::Arrival;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

double Number(const expr::Value& value) {
  EXPECT_TRUE(value.is(expr::Kind::kDouble)) << Show(value);
  return value.is(expr::Kind::kDouble) ? value.real() : NAN;
}

TEST(Sliding, NamesSpansInTheOrderGiven) {
  TestSet test({{"count()"}}, Use::kSliding);
  auto sliding = SlidingState::Make(&test.set(), {.spans_us = {kHour, kMinute}});
  ASSERT_TRUE(sliding.ok());
  OwnedBlob blob;
  expr::Value results[2];
  for (int i = 0; i < 3; ++i) {
    sliding->Update(&blob, i * 2 * kMinute, kNever, test.Evaluate("{}"), &test.arena(), results);
  }
  EXPECT_EQ(Show(results), "3 1");
}

TEST(Sliding, EventsBeforeTheOldestAreNotAdded) {
  TestSet test({{"count()"}, {"sum(x)"}}, Use::kSliding);
  auto sliding = SlidingState::Make(&test.set(), {.spans_us = {kHour}});
  ASSERT_TRUE(sliding.ok());
  OwnedBlob blob;
  expr::Value results[2];
  const auto update = [&](int64_t time, int64_t oldest) {
    const Inputs& inputs = test.Evaluate(R"({"x":2})");
    return sliding->Update(&blob, time, oldest, inputs, &test.arena(), results);
  };
  EXPECT_EQ(update(0, kMinute), Arrival::kTooLate);
  EXPECT_EQ(Show(results), "1 2") << "the event itself counts all the same";
  EXPECT_TRUE(blob.empty());
  EXPECT_EQ(update(kMinute, kMinute), Arrival::kInTime);
  EXPECT_EQ(update(0, kMinute), Arrival::kTooLate);
  EXPECT_EQ(Show(results), "1 2");
  EXPECT_EQ(update(2 * kMinute, kMinute), Arrival::kInTime);
  EXPECT_EQ(Show(results), "2 4");
}

TEST(Sliding, PeekLeavesTheStateAlone) {
  TestSet test({{"count()"}, {"last(x)"}}, Use::kSliding);
  auto sliding = SlidingState::Make(&test.set(), {.spans_us = {kHour}});
  ASSERT_TRUE(sliding.ok());
  OwnedBlob blob;
  expr::Value results[2];
  sliding->Peek(blob, 0, kNever, test.Evaluate(R"({"x":"a"})"), &test.arena(), results);
  EXPECT_EQ(Show(results), R"(1 "a")");
  EXPECT_TRUE(blob.empty());
  sliding->Update(&blob, 0, kNever, test.Evaluate(R"({"x":"b"})"), &test.arena(), results);
  const std::string before(blob.view());
  sliding->Peek(blob, kSecond, kNever, test.Evaluate(R"({"x":"c"})"), &test.arena(), results);
  EXPECT_EQ(Show(results), R"(2 "c")");
  EXPECT_EQ(blob.view(), before);
}

TEST(Sliding, AStateHasABoundAndAnEnd) {
  TestSet test({{"count()"}, {"sum(x)"}}, Use::kSliding);
  auto sliding =
      SlidingState::Make(&test.set(), {.spans_us = {kHour, 24 * kHour}, .lateness_us = kMinute});
  ASSERT_TRUE(sliding.ok());
  OwnedBlob blob;
  expr::Value results[4];
  size_t largest = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Inputs& inputs = test.Evaluate(R"({"x":1})");
    sliding->Update(&blob, i * 15 * kSecond, kNever, inputs, &test.arena(), results);
    largest = std::max(largest, blob.size());
  }
  // 60 to 85 panes of a minute and 60 of 24 minutes, 32 bytes each.
  EXPECT_LT(largest, 5000u);
  EXPECT_LE(largest, sliding->MaxBytes());
  EXPECT_LT(sliding->MaxBytes(), 6000u);
  EXPECT_EQ(sliding->ExpiresAt(blob.view()), 19'999 * 15 * kSecond + kMinute + 24 * kHour);
  EXPECT_EQ(Show(results), "240 240 5696 5696") << "from 24 minutes on within a day";
}

TEST(Sliding, SumsKeepTheirPrecisionWhenLargeValuesLeave) {
  TestSet test({{"sum(x)"}, {"avg(x)"}, {"stddev(x)"}}, Use::kSliding);
  auto sliding = SlidingState::Make(&test.set(), {.spans_us = {kMinute}});
  ASSERT_TRUE(sliding.ok());
  OwnedBlob blob;
  expr::Value results[3];
  // 1e120, then ever smaller ones, then small ones.
  double x = 1e120;
  for (int i = 0; i < 400; ++i) {
    const Inputs& inputs = test.Evaluate(absl::StrFormat(R"({"x":%.17g})", x));
    sliding->Update(&blob, i * kSecond, kNever, inputs, &test.arena(), results);
    x = std::max(i % 2 + 1.0, x / 7);
  }
  EXPECT_EQ(Number(results[0]), 90);
  EXPECT_EQ(Number(results[1]), 1.5);
  EXPECT_NEAR(Number(results[2]), 0.5042194840896, 1e-9);
}

TEST(Sliding, ALargeValueLeavesNothingBehind) {
  TestSet test({{"sum(x)"}, {"stddev(x)"}}, Use::kSliding);
  auto sliding = SlidingState::Make(&test.set(), {.spans_us = {kMinute}});
  ASSERT_TRUE(sliding.ok());
  // Whenever it leaves: totals are made anew at certain panes anyway.
  for (int large = 0; large < 20; ++large) {
    OwnedBlob blob;
    expr::Value results[2];
    for (int i = 0; i < 90; ++i) {
      // Two doubles hold 1e60 and 1e30, but not the ones beside them.
      const Inputs& inputs = test.Evaluate(i == large       ? R"({"x":1e60})"
                                           : i == large + 1 ? R"({"x":1e30})"
                                                            : R"({"x":1})");
      sliding->Update(&blob, i * kSecond, kNever, inputs, &test.arena(), results);
      if (i <= large + 60) continue;
      ASSERT_EQ(Number(results[0]), 60) << large << " " << i;
      ASSERT_EQ(Number(results[1]), 0) << large << " " << i;
    }
  }
}

// A count of a pane that is more than its total's would make that less than nothing when it leaves.
TEST(Sliding, ADamagedCountIsRefusedAtOnce) {
  for (const char* call : {"count()", "sum(n)", "avg(n)", "stddev(n)", "quantile(n, 0.5)"}) {
    expr::Env env;
    env.DeclareField("n", expr::FieldType::kLong);
    TestSet test({{call}}, Use::kSliding, std::move(env));
    auto sliding = SlidingState::Make(
        &test.set(), {.spans_us = {kMinute, kHour}, .panes = 6, .lateness_us = kMinute});
    ASSERT_TRUE(sliding.ok());
    OwnedBlob blob;
    expr::Value results[2];
    const auto add = [&](int64_t time) {
      sliding->Update(&blob, time, kNever, test.Evaluate(R"({"n":3})"), &test.arena(), results);
    };
    for (int i = 0; i < 100; ++i) add(i * 13 * kSecond);
    ASSERT_TRUE(sliding->Check(&blob).ok());
    const std::string right(blob.view());
    for (size_t at = 0; at < right.size(); ++at) {
      std::string damaged = right;
      damaged[at] = static_cast<char>(damaged[at] + 1);
      blob.Assign(damaged);
      if (!sliding->Check(&blob).ok()) continue;
      for (int64_t time = 100 * 13 * kSecond; time < 3 * kHour; time += kMinute) add(time);
      EXPECT_TRUE(sliding->Check(&blob).ok()) << call << ": byte " << at;
    }
  }
}

TEST(Sliding, WrongOptionsAreRefused) {
  TestSet test({{"count()"}}, Use::kSliding);
  const auto make = [&](SlidingOptions options) {
    return SlidingState::Make(&test.set(), options).status();
  };
  EXPECT_FALSE(make({}).ok());
  EXPECT_FALSE(make({.spans_us = {0}}).ok());
  EXPECT_FALSE(make({.spans_us = {kMinute}, .panes = 0}).ok());
  EXPECT_TRUE(make({.spans_us = {kMinute}, .lateness_us = 24 * kHour}).ok());
  EXPECT_THAT(std::string(make({.spans_us = {kSecond}, .lateness_us = 24 * kHour}).message()),
              testing::HasSubstr("make the lateness shorter"));
  EXPECT_TRUE(make({.spans_us = {1}, .panes = 1000, .lateness_us = 0}).ok());
}

TEST(Sliding, SignaturesTellStatesApart) {
  TestSet test({{"count()"}}, Use::kSliding);
  TestSet other({{"count()", "true"}}, Use::kSliding);
  const auto signature = [](const TestSet& set, std::vector<int64_t> spans) {
    return SlidingState::Make(&set.set(), {.spans_us = spans})->Signature();
  };
  EXPECT_EQ(signature(test, {kHour}), signature(test, {kHour}));
  EXPECT_NE(signature(test, {kHour}), signature(test, {kMinute}));
  EXPECT_NE(signature(test, {kHour}), signature(other, {kHour}));
}

}  // namespace
}  // namespace levada::aggregate
