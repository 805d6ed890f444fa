// What windows take of memory. What they give is in testdata/pipelines.
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

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
