#include "core/aggregate/window.h"

#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_format.h"
#include "core/aggregate/testing.h"
#include "core/base/random.h"

namespace levada::aggregate {
namespace {

using Added = SessionState::Added;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kNoWatermark = std::numeric_limits<int64_t>::min();

std::vector<int64_t> StartsOf(Windows windows, int64_t time) {
  std::vector<int64_t> starts;
  for (int64_t start = windows.Last(time); windows.Has(start, time); start -= windows.every_us) {
    starts.push_back(start);
  }
  return starts;
}

TEST(Windows, ATimeIsInEachWindowThatHoldsIt) {
  const Windows tumbling{10, 10};
  EXPECT_EQ(StartsOf(tumbling, 0), std::vector<int64_t>{0});
  EXPECT_EQ(StartsOf(tumbling, 9), std::vector<int64_t>{0});
  EXPECT_EQ(StartsOf(tumbling, 10), std::vector<int64_t>{10});
  EXPECT_EQ(StartsOf(tumbling, -1), std::vector<int64_t>{-10});
  EXPECT_EQ(StartsOf(tumbling, -10), std::vector<int64_t>{-10});
  const Windows hopping{10, 4};
  EXPECT_EQ(StartsOf(hopping, 8), (std::vector<int64_t>{8, 4, 0}));
  EXPECT_EQ(StartsOf(hopping, 10), (std::vector<int64_t>{8, 4}));
  EXPECT_EQ(StartsOf(hopping, -1), (std::vector<int64_t>{-4, -8}));
  const Windows gaps{3, 10};
  EXPECT_EQ(StartsOf(gaps, 2), std::vector<int64_t>{0});
  EXPECT_EQ(StartsOf(gaps, 3), std::vector<int64_t>{});
  EXPECT_FALSE(tumbling.Closed(0, 9));
  EXPECT_TRUE(tumbling.Closed(0, 10));
}

TEST(Window, PartsThatAreMergedInAnyOrderAreTheWhole) {
  base::Random random(1);
  for (int run = 0; run < 50; ++run) {
    TestSet test({{"count()"},
                  {"sum(x)"},
                  {"avg(x)"},
                  {"stddev(x)"},
                  {"min(s)"},
                  {"max(x)"},
                  {"first(s)"},
                  {"last(s)"},
                  {"distinct(s)"},
                  {"quantile(x, 0.9)"}},
                 Use::kWindow);
    WindowState state(&test.set());
    OwnedBlob whole;
    std::vector<OwnedBlob> parts(5);
    const int count = static_cast<int>(random.Below(200));
    for (int i = 0; i < count; ++i) {
      const Inputs& inputs = test.Evaluate(absl::StrFormat(
          R"({"x":%.17g,"s":"%s"})", (random.Unit() - 0.3) * 1e6,
          std::string(random.Below(40), static_cast<char>('a' + random.Below(26)))));
      state.Add(&whole, i * kSecond, inputs);
      state.Add(&parts[random.Below(parts.size())], i * kSecond, inputs);
    }
    std::shuffle(parts.begin(), parts.end(), random);
    OwnedBlob merged;
    for (OwnedBlob& part : parts) state.Merge(&merged, &part);
    std::vector<expr::Value> a(test.set().size());
    std::vector<expr::Value> b(test.set().size());
    state.Results(&whole, &test.arena(), a);
    state.Results(&merged, &test.arena(), b);
    EXPECT_EQ(Show(a), Show(b)) << "to the last digit";
    EXPECT_TRUE(state.Check(&merged).ok());
    EXPECT_LE(merged.size(), state.MaxBytes());
  }
}

TEST(Window, AStateOfFixedSizeIsSmall) {
  TestSet test({{"count()"}, {"sum(x)"}}, Use::kWindow);
  WindowState state(&test.set());
  OwnedBlob blob;
  state.Add(&blob, 0, test.Evaluate(R"({"x":1})"));
  EXPECT_EQ(blob.size(), 32u);
  EXPECT_EQ(state.MaxBytes(), 32u);
}

class Session : public testing::Test {
 protected:
  Session() : test_({{"count()"}, {"sum(x)"}, {"last(s)"}}, Use::kWindow) {}

  Added Add(int64_t time, int64_t watermark = kNoWatermark) {
    const Inputs& inputs = test_.Evaluate(absl::StrFormat(R"({"x":1,"s":"%d"})", time));
    const Added added =
        state_.Add(&blob_, time * kSecond,
                   watermark == kNoWatermark ? watermark : watermark * kSecond, inputs);
    EXPECT_TRUE(state_.Check(&blob_).ok()) << state_.Check(&blob_);
    return added;
  }
  std::string Close(int64_t watermark) {
    std::string text;
    SessionState::Session session;
    std::vector<expr::Value> results(3);
    while (state_.Close(&blob_, watermark * kSecond, &session, &test_.arena(), results)) {
      text += absl::StrFormat("%d-%d: %s; ", session.first_us / kSecond, session.last_us / kSecond,
                              Show(results));
    }
    return text;
  }

  TestSet test_;
  SessionState state_{&test_.set(), 10 * kSecond, 60 * kSecond};
  OwnedBlob blob_;
};

TEST_F(Session, EndsAfterTheGap) {
  Add(0);
  Add(10);
  Add(21);
  EXPECT_EQ(state_.NextClose(&blob_), 20 * kSecond + 1);
  EXPECT_EQ(Close(20), "") << "an event at 20 would still belong to it";
  EXPECT_EQ(Close(21), R"(0-10: 2 2 "10"; )");
  EXPECT_EQ(Close(32), R"(21-21: 1 1 "21"; )");
  EXPECT_TRUE(state_.empty(blob_));
}

TEST_F(Session, AnEventBetweenTwoJoinsThem) {
  Add(0);
  Add(30);
  Add(15);
  EXPECT_EQ(Close(1), "");
  Add(8);
  Add(22);
  EXPECT_EQ(Close(100), R"(0-30: 5 5 "30"; )");
}

TEST_F(Session, IsNotLongerThanItsMost) {
  for (int64_t time = 0; time <= 130; time += 10) Add(time);
  EXPECT_EQ(Close(1000), R"(0-60: 7 7 "60"; 70-130: 7 7 "130"; )");
  // Two that together would be too long stay two.
  for (const int64_t time : {0, 10, 20, 30, 50, 60, 70, 40}) Add(time);
  EXPECT_EQ(Close(1000), R"(0-40: 5 5 "40"; 50-70: 3 3 "70"; )");
}

TEST_F(Session, WhatWouldBelongToAClosedOneIsLate) {
  EXPECT_EQ(Add(0, 11), Added::kLate);
  EXPECT_EQ(Add(0, 10), Added::kAdded);
  EXPECT_EQ(Add(9, 15), Added::kAdded);
  EXPECT_EQ(Add(0, 18), Added::kAdded) << "older than the watermark, of an open session";
  EXPECT_EQ(Close(19), "");
  EXPECT_EQ(Close(20), R"(0-9: 3 3 "9"; )");
}

TEST_F(Session, HasABound) {
  for (uint32_t i = 0; i < SessionState::kMaxOpen; ++i) ASSERT_EQ(Add(i * 100), Added::kAdded);
  EXPECT_EQ(Add(-1000), Added::kFull);
  EXPECT_EQ(Add(5), Added::kAdded);
  EXPECT_LE(blob_.size(), state_.MaxBytes());
}

// Random events in random order against sessions that are computed from all of them.
TEST_F(Session, EqualsTheReference) {
  base::Random random(4);
  for (int run = 0; run < 200; ++run) {
    SessionState sessions(&test_.set(), 10 * kSecond, int64_t{1} << 50);
    std::vector<int64_t> times;
    OwnedBlob blob;
    const int count = 1 + static_cast<int>(random.Below(60));
    for (int i = 0; i < count; ++i) {
      times.push_back(static_cast<int64_t>(random.Below(600)));
      const Inputs& inputs = test_.Evaluate(R"({"x":1,"s":""})");
      ASSERT_EQ(sessions.Add(&blob, times.back() * kSecond, kNoWatermark, inputs), Added::kAdded);
    }
    std::sort(times.begin(), times.end());
    std::string wanted;
    for (size_t begin = 0; begin < times.size();) {
      size_t end = begin + 1;
      while (end < times.size() && times[end] - times[end - 1] <= 10) ++end;
      absl::StrAppendFormat(&wanted, "%d-%d:%d ", times[begin], times[end - 1], end - begin);
      begin = end;
    }
    std::string got;
    SessionState::Session session;
    std::vector<expr::Value> results(3);
    while (sessions.Close(&blob, 10'000 * kSecond, &session, &test_.arena(), results)) {
      absl::StrAppendFormat(&got, "%d-%d:%d ", session.first_us / kSecond,
                            session.last_us / kSecond, results[0].integer());
    }
    EXPECT_EQ(got, wanted);
  }
}

}  // namespace
}  // namespace levada::aggregate
