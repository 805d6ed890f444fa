// Sliding aggregates against a reference that keeps all events and computes each value from them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/str_format.h"
#include "core/aggregate/distinct.h"
#include "core/aggregate/sliding.h"
#include "core/aggregate/testing.h"
#include "core/base/random.h"

namespace levada::aggregate {
namespace {

using Arrival = SlidingState::Arrival;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMinute = 60 * kSecond;
constexpr int64_t kHour = 60 * kMinute;
constexpr int64_t kNever = std::numeric_limits<int64_t>::min();

const std::vector<Call>& AllCalls() {
  static const std::vector<Call> calls = {{"count()"},
                                          {"sum(x)"},
                                          {"avg(x)"},
                                          {"min(x)"},
                                          {"max(x)"},
                                          {"stddev(x)"},
                                          {"first(s)"},
                                          {"last(s)"},
                                          {"distinct(s)"},
                                          {"quantile(x, 0.9)"},
                                          {"time_since_last()"},
                                          {"count()", "has(x) && x > 0"},
                                          {"sum(n)"},
                                          {"last(x)", "has(x) && x > 0"},
                                          {"min(s)"}};
  return calls;
}

expr::Env EnvOfEvents() {
  expr::Env env;
  env.DeclareField("n", expr::FieldType::kLong);
  return env;
}

struct TestEvent {
  int64_t time_us = 0;
  std::optional<double> x;
  std::string s;
  int64_t n = 0;
  int64_t arrival = 0;

  std::string Json() const {
    std::string json = absl::StrFormat(R"({"s":"%s","n":%d)", s, n);
    if (x.has_value()) absl::StrAppendFormat(&json, R"(,"x":%.17g)", *x);
    return json + "}";
  }
};

int64_t FloorTo(int64_t time, int64_t width) {
  return static_cast<int64_t>(std::floor(static_cast<long double>(time) / width)) * width;
}

struct Pane {
  int64_t span;
  int64_t width;
};

// All values of one span, by the definition in sliding.h.
class Reference {
 public:
  Reference(std::vector<Pane> panes, int64_t lateness) : panes_(panes), lateness_(lateness) {}

  bool TooLate(int64_t time) const { return !events_.empty() && time < newest_ - lateness_; }
  void Add(const TestEvent& event) {
    newest_ = events_.empty() ? event.time_us : std::max(newest_, event.time_us);
    events_.push_back(event);
  }

  // The events of a span at the time of `event`, which has been added.
  std::vector<TestEvent> Of(size_t span, int64_t time) const {
    const int64_t width = panes_[span].width;
    const int64_t count = (panes_[span].span + width - 1) / width;
    const int64_t edge = FloorTo(time, width) - (count - 1) * width;
    std::vector<TestEvent> found;
    for (const TestEvent& event : events_) {
      if (event.time_us >= edge &&
          FloorTo(event.time_us, panes_[0].width) <= FloorTo(time, panes_[0].width)) {
        found.push_back(event);
      }
    }
    return found;
  }

 private:
  std::vector<Pane> panes_;
  int64_t lateness_;
  int64_t newest_ = 0;
  std::vector<TestEvent> events_;
};

double Number(const expr::Value& value) {
  if (value.is(expr::Kind::kInt)) return static_cast<double>(value.integer());
  EXPECT_TRUE(value.is(expr::Kind::kDouble)) << Show(value);
  return value.is(expr::Kind::kDouble) ? value.real() : NAN;
}

void ExpectNumber(const expr::Value& value, std::optional<long double> wanted, double tolerance,
                  const char* what) {
  if (!wanted.has_value()) {
    EXPECT_TRUE(value.is(expr::Kind::kNull)) << what << " " << Show(value);
    return;
  }
  const auto exact = static_cast<double>(*wanted);
  EXPECT_NEAR(Number(value), exact, tolerance * std::max(1e-300, std::fabs(exact))) << what;
}

void ExpectText(const expr::Value& value, const std::string& wanted, const char* what) {
  EXPECT_EQ(Show(value), "\"" + wanted + "\"") << what;
}

// `time`: of the event that was added last.
void Compare(const std::vector<TestEvent>& events, const TestEvent& event, bool newest,
             int64_t pane_us, std::span<const expr::Value> values) {
  std::vector<double> xs;
  std::set<std::string> different;
  long double sum = 0;
  int64_t positive = 0;
  int64_t whole = 0;
  const TestEvent* first = nullptr;
  const TestEvent* last = nullptr;
  const TestEvent* last_positive = nullptr;
  int64_t before = kNever;
  for (const TestEvent& e : events) {
    if (e.x.has_value()) {
      xs.push_back(*e.x);
      sum += *e.x;
      positive += *e.x > 0;
      if (*e.x > 0 && (last_positive == nullptr || e.time_us >= last_positive->time_us)) {
        last_positive = &e;
      }
    }
    whole += e.n;
    different.insert(e.s);
    if (first == nullptr || e.time_us < first->time_us) first = &e;
    if (last == nullptr || e.time_us >= last->time_us) last = &e;
    if (e.arrival != event.arrival && e.time_us <= event.time_us) {
      before = std::max(before, e.time_us);
    }
  }
  std::sort(xs.begin(), xs.end());
  const bool any = !xs.empty();
  const long double mean = any ? sum / xs.size() : 0;
  long double squares = 0;
  for (const double x : xs) squares += (x - mean) * (x - mean);
  EXPECT_EQ(values[0].integer(), static_cast<int64_t>(events.size()));
  EXPECT_NEAR(Number(values[1]), static_cast<double>(sum), 1e-13 * (1 + std::fabs(mean)) * 100);
  EXPECT_EQ(values[2].is(expr::Kind::kNull), !any);
  if (any) {
    EXPECT_NEAR(Number(values[2]), static_cast<double>(mean), 1e-10);
  }
  ExpectNumber(values[3], any ? std::optional(xs.front()) : std::nullopt, 0, "min");
  ExpectNumber(values[4], any ? std::optional(xs.back()) : std::nullopt, 0, "max");
  if (xs.size() < 2) {
    EXPECT_TRUE(values[5].is(expr::Kind::kNull));
  } else {
    EXPECT_NEAR(Number(values[5]), static_cast<double>(std::sqrt(squares / (xs.size() - 1))), 1e-9);
  }
  ExpectText(values[6], first->s, "first");
  ExpectText(values[7], last->s, "last");
  const auto cardinality = static_cast<double>(different.size());
  EXPECT_NEAR(Number(values[8]), cardinality,
              cardinality <= Distinct::kExact ? 0 : cardinality / 10);
  const auto rank = static_cast<size_t>(0.9 * static_cast<double>(xs.size() - 1));
  ExpectNumber(values[9], any ? std::optional(xs[rank]) : std::nullopt, 0.0100001, "quantile");
  // Exact for the newest event; of a late one, its own pane may be told apart only by its end.
  if (newest && before == kNever) {
    EXPECT_TRUE(values[10].is(expr::Kind::kNull));
  } else if (newest) {
    ExpectNumber(values[10], (event.time_us - before) / 1e6L, 1e-12, "time_since_last");
  } else if (before == kNever) {
    EXPECT_TRUE(values[10].is(expr::Kind::kNull));
  } else {
    const double wanted = (event.time_us - before) / 1e6;
    EXPECT_GE(Number(values[10]), wanted - 1e-9);
    EXPECT_LE(Number(values[10]), wanted + pane_us / 1e6);
  }
  EXPECT_EQ(values[11].integer(), positive);
  EXPECT_EQ(values[12].integer(), whole);
  ExpectNumber(values[13], last_positive ? std::optional(*last_positive->x) : std::nullopt, 0,
               "last positive");
  ExpectText(values[14], *different.begin(), "min of text");
}

struct World {
  const char* name;
  std::vector<int64_t> spans;
  int panes;
  std::vector<int64_t> widths;  // that these spans have
  int64_t lateness;
  double mean_gap_us;
  double late_share;
};

void PrintTo(const World& world, std::ostream* out) { *out << world.name; }

class Property : public testing::TestWithParam<World> {};

TEST_P(Property, EqualsTheReference) {
  const World& world = GetParam();
  TestSet test(AllCalls(), Use::kSliding, EnvOfEvents());
  auto sliding = SlidingState::Make(
      &test.set(), {.spans_us = world.spans, .panes = world.panes, .lateness_us = world.lateness});
  ASSERT_TRUE(sliding.ok()) << sliding.status();
  std::vector<Pane> panes;
  for (size_t i = 0; i < world.spans.size(); ++i)
    panes.push_back({world.spans[i], world.widths[i]});
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    base::Random random(seed);
    Reference reference(panes, world.lateness);
    OwnedBlob blob;
    // Before 1970 too.
    int64_t clock = seed % 2 == 0 ? -20 * kHour : 1'793'606'400'000'000;
    int counts[3] = {};
    std::vector<expr::Value> results(sliding->result_count());
    for (int i = 0; i < 700; ++i) {
      // Bursts and silence.
      if (random.Unit() < 0.01)
        clock += static_cast<int64_t>(random.Unit() * world.spans.back() * 2);
      clock += static_cast<int64_t>(-std::log(1 - random.Unit()) * world.mean_gap_us);
      TestEvent event;
      event.arrival = i;
      event.time_us = clock;
      if (random.Unit() < world.late_share) {
        event.time_us -= static_cast<int64_t>(random.Unit() * world.lateness * 1.3);
      }
      if (random.Unit() < 0.9) {
        event.x = std::floor((random.Unit() - 0.3) * 1000) / 10 * std::pow(10, random.Below(3));
      }
      event.n = static_cast<int64_t>(random.Below(1000)) - 500;
      event.s = absl::StrFormat("%x", random.Below(60)) + std::string(random.Below(20), '.');
      const bool too_late = reference.TooLate(event.time_us);
      const Inputs& inputs = test.Evaluate(event.Json());
      const Arrival arrival =
          sliding->Update(&blob, event.time_us, kNever, inputs, &test.arena(), results);
      ++counts[static_cast<int>(arrival)];
      ASSERT_EQ(arrival == Arrival::kTooLate, too_late);
      ASSERT_TRUE(sliding->Check(&blob).ok()) << sliding->Check(&blob);
      ASSERT_LE(blob.size(), sliding->MaxBytes());
      if (too_late) {
        for (size_t span = 0; span < world.spans.size(); ++span) {
          EXPECT_GE(results[span * test.set().size()].integer(), 1);
        }
        continue;
      }
      reference.Add(event);
      for (size_t span = 0; span < world.spans.size(); ++span) {
        SCOPED_TRACE(absl::StrFormat("event %d of span %d", i, span));
        Compare(reference.Of(span, event.time_us), event, arrival == Arrival::kInTime,
                world.widths[0],
                std::span(results).subspan(span * test.set().size(), test.set().size()));
        if (HasFailure()) return;
      }
      // Out to the changelog and back.
      if (random.Unit() < 0.05) {
        const std::string bytes(blob.view());
        OwnedBlob other;
        other.Assign(bytes);
        blob = std::move(other);
      }
    }
    EXPECT_GT(counts[0], 300);
    if (world.late_share > 0) {
      EXPECT_GT(counts[1] * counts[2], 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Worlds, Property,
    testing::Values(
        World{"dense",
              {kHour, 24 * kHour},
              60,
              {kMinute, 24 * kMinute},
              kMinute,
              20.0 * kSecond,
              0.1},
        World{
            "sparse", {kHour, 24 * kHour}, 60, {kMinute, 24 * kMinute}, kHour, 40.0 * kMinute, 0.3},
        World{"one", {10 * kMinute}, 60, {10 * kSecond}, 30 * kSecond, 8.0 * kSecond, 0.2},
        World{"inorder", {10 * kMinute}, 60, {10 * kSecond}, 0, 3.0 * kSecond, 0},
        World{"latebeyondaspan",
              {kMinute, 10 * kMinute},
              6,
              {10 * kSecond, 100 * kSecond},
              5 * kMinute,
              4.0 * kSecond,
              0.5},
        World{"odd",
              {7 * kSecond, 31 * kSecond, 100 * kSecond},
              10,
              {700'000, 2'800'000, 8'400'000},
              3 * kSecond,
              0.4 * kSecond,
              0.3},
        World{"onepane",
              {kMinute, 2 * kMinute},
              1,
              {kMinute, 2 * kMinute},
              kMinute,
              10.0 * kSecond,
              0.2}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace levada::aggregate
