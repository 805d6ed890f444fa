// What windows take of memory. What they give is in testdata/pipelines.
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

using Values = std::vector<std::string>;

void AppendValues(const OutputBatch& out, Values* values) {
  for (const OutputRecord& record : out.records()) values->emplace_back(out.Value(record));
}

// A stage with these steps, after a minute in which each of so many users had an event, and another
// user one long after, which ends the first.
class FullMinute {
 public:
  FullMinute(std::string_view steps, int users) : stage_(ManifestWith(steps)) {
    chain_ = stage_.MakeChain();
    chain_->state()->Assign(0, 1);
    chain_->state()->Restored(0);
    Values events;
    for (int i = 0; i < users; ++i) events.push_back(base::StrCat(R"({"user":"u)", i, "\"}"));
    OutputBatch out;
    EXPECT_TRUE(Take(events, 1'750'000'020'000, &out).ok());
    EXPECT_TRUE(out.records().empty());
  }

  absl::Status End(OutputBatch* out) {
    return Take({R"({"user":"next"})"}, 1'750'000'620'000, out);
  }
  // All windows end.
  absl::Status Stop(OutputBatch* out) {
    return chain_->state()->Tick(runtime::Stateful::kEnd, out);
  }

 private:
  absl::Status Take(const Values& events, int64_t time_ms, OutputBatch* out) {
    std::vector<Record> records(events.size());
    for (size_t i = 0; i < events.size(); ++i) {
      records[i].value = events[i];
      records[i].timestamp_ms = time_ms;
    }
    return chain_->Process(Batch("in", records, nullptr), out);
  }

  TestStage stage_;
  std::unique_ptr<Chain> chain_;
};

constexpr std::string_view kCountOfAMinute =
    "      - window: {by: [user], tumbling: 1m, set: [{name: events, value: count()}]}\n"
    "      - set: [{name: twice, value: events * 2}]\n";

// All keys' results come at once; the memory for them is that of some.
TEST(WindowTest, ManyResultsArePassedOnWhileTheWindowEnds) {
  constexpr int kUsers = 30'000;
  OutputBatch whole;
  ASSERT_TRUE(FullMinute(kCountOfAMinute, kUsers).End(&whole).ok());
  Values expected;
  AppendValues(whole, &expected);
  ASSERT_EQ(expected.size(), kUsers);

  Values values;
  int pieces = 0;
  OutputBatch out;
  out.set_receiver([&](OutputBatch* some) {
    EXPECT_LT(some->records().size(), kUsers / 2u);
    AppendValues(*some, &values);
    ++pieces;
    some->Clear();
    return absl::OkStatus();
  });
  ASSERT_TRUE(FullMinute(kCountOfAMinute, kUsers).End(&out).ok());
  EXPECT_GT(pieces, 1);
  AppendValues(out, &values);
  EXPECT_EQ(values, expected);
}

// The second window takes them in pieces, too, and gives one result when it ends.
TEST(WindowTest, ManyResultsGoThroughTheWindowBehind) {
  const std::string steps = base::StrCat(
      kCountOfAMinute,
      "      - window: {by: [twice], tumbling: 1m, set: [{name: users, value: sum(events)}]}\n");
  constexpr int kUsers = 7'777;
  FullMinute minute(steps, kUsers);
  OutputBatch out;
  ASSERT_TRUE(minute.End(&out).ok());
  EXPECT_TRUE(out.records().empty());
  EXPECT_TRUE(out.dead_letters().empty());
  ASSERT_TRUE(minute.Stop(&out).ok());
  Values values;
  AppendValues(out, &values);
  ASSERT_EQ(values.size(), 2u);
  EXPECT_NE(values[0].find(base::StrCat("\"users\":", kUsers)), std::string::npos) << values[0];
}

// Who takes the results fails: Kafka does.
TEST(WindowTest, ResultsThatAreNotTakenEndTheBatch) {
  OutputBatch out;
  int pieces = 0;
  out.set_receiver([&](OutputBatch*) {
    ++pieces;
    return absl::UnavailableError("not now");
  });
  const absl::Status status = FullMinute(kCountOfAMinute, 40'000).End(&out);
  EXPECT_EQ(status, absl::UnavailableError("not now"));
  EXPECT_EQ(pieces, 1);
}

// Their timers stand beside the tables, and never go to disk.
TEST(WindowTest, TimersOfSessionsCountAsState) {
  constexpr int kSessions = 1000;
  TestStage stage(ManifestWith(
      "      - window: {by: [user], session: {gap: 30s}, set: [{name: count, value: count()}]}\n"));
  const auto chain = stage.MakeChain();
  ASSERT_NE(chain, nullptr);
  chain->state()->Assign(0, 1);
  chain->state()->Restored(0);
  const auto take = [&](int first, int count, int64_t time_ms) {
    std::vector<std::string> events;
    std::vector<Record> records(count);
    for (int i = 0; i < count; ++i) {
      events.push_back(
          base::StrCat(R"({"user":"a-name-that-is-longer-than-most-)", first + i, "\"}"));
    }
    for (int i = 0; i < count; ++i) {
      records[i].value = events[i];
      records[i].has_value = true;
      records[i].partition = 0;
      records[i].timestamp_ms = time_ms;
    }
    OutputBatch out;
    ASSERT_TRUE(chain->Process(Batch("in", records, nullptr), &out).ok());
    ASSERT_TRUE(out.dead_letters().empty()) << out.dead_letters()[0].error;
  };
  const auto metric = [&](std::string_view name) {
    OutputBatch out;
    EXPECT_TRUE(chain->state()->Tick(1, &out).ok());
    for (const auto& family : stage.context().registry.Collect()) {
      if (family.name == name) return family.metric.at(0).gauge.value;
    }
    return -1.0;
  };
  constexpr size_t kSlots = 2048 * 2 * sizeof(void*);
  take(0, kSessions, 1'750'000'000'000);
  EXPECT_EQ(metric("levada_scoring_state_keys"), kSessions);
  size_t tables = kSlots;
  {
    const auto walk = chain->state()->Walk(0);
    while (*walk->Next(1 << 20, [&](std::string_view key, std::string_view value) {
      tables += Slab::Capacity(sizeof(StateTable::Entry) + key.size() + (value.size() + 7) / 8 * 8);
    })) {
    }
  }
  EXPECT_GT(metric("levada_scoring_state_bytes"), tables + kSessions * 60.0);
  take(kSessions, 1, 1'750'000'000'000 + 3'600'000);
  EXPECT_EQ(metric("levada_scoring_state_keys"), 1);
  EXPECT_LT(metric("levada_scoring_state_bytes"), kSlots + 1000.0);
}

}  // namespace
}  // namespace levada::scoring
