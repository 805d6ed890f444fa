// What a partition remembers, from one worker to the next.
#include "services/scoring/state/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

#include "services/scoring/state/testing.h"

namespace levada::scoring {
namespace {

using testing::HasSubstr;

// The changelog, as Kafka keeps it: of each key the newest.
class Changelog {
 public:
  void Take(const OutputBatch& changes) {
    for (const OutputRecord& record : changes.records()) {
      auto& partition = kept_[record.partition];
      if (record.has_value) {
        partition[std::string(record.key)] = changes.Value(record);
      } else {
        partition.erase(std::string(record.key));
      }
    }
  }
  absl::Status Give(int32_t partition, StageState* state) {
    std::vector<Record> records;
    for (const auto& [key, value] : kept_[partition]) {
      Record record;
      record.key = key;
      record.has_key = true;
      record.value = value;
      record.partition = partition;
      records.push_back(record);
    }
    absl::Status status = state->Restore(Batch("changelog", records, nullptr));
    if (status.ok()) state->Restored(partition);
    return status;
  }
  std::map<int32_t, std::map<std::string, std::string>>& kept() { return kept_; }

 private:
  std::map<int32_t, std::map<std::string, std::string>> kept_;
};

TEST(StageStateTest, GoesFromWorkerToWorker) {
  Changelog log;
  std::map<std::string, std::string> expected;  // partition/bucket/key → value
  std::mt19937 random(2);
  for (int worker = 0; worker < 20; ++worker) {
    StageState state(2);
    ASSERT_TRUE(state.AddStep("dedup-1", "1", MakeAny).ok());
    const int index = *state.AddStep("window-1", "1", MakeAny);
    for (int partition = 0; partition < 3; ++partition) {
      state.Assign(partition, 3);
      ASSERT_TRUE(log.Give(partition, &state).ok());
    }
    std::map<std::string, std::string> found;
    state.ForEach([&](Partition& partition) {
      EXPECT_TRUE(static_cast<AnyState&>(*partition.steps[index]).restored);
      EXPECT_EQ(partition.clocks[1].newest_us, worker == 0 ? kNoTime : worker - 1);
      for (auto& [bucket, table] : partition.steps[index]->tables()) {
        table.ForEach([&, bucket = bucket](StateTable::Entry* entry) {
          found[base::StrCat(partition.number, "/", bucket, "/", entry->key())] = entry->value();
        });
      }
    });
    ASSERT_EQ(found, expected) << "worker " << worker;
    for (int i = 0; i < 2000; ++i) {
      Partition& partition = *state.Find(static_cast<int>(random() % 3));
      partition.clocks[1].newest_us = worker;
      const int64_t bucket = static_cast<int64_t>(random() % 5) - 2;
      const std::string prefix = base::StrCat(partition.number, "/", bucket, "/");
      StepState& step = *partition.steps[index];
      const std::string key = KeyOf(static_cast<int>(random() % 50));
      StateTable& table = step.table(bucket);
      StateTable::Entry* entry = table.Find(key, StateTable::Hash(key));
      if (random() % 200 == 0) {
        step.Drop(bucket);
        std::erase_if(expected, [&](const auto& each) { return each.first.starts_with(prefix); });
      } else if (entry != nullptr && random() % 3 == 0) {
        table.Erase(entry, step.forgotten(bucket));
        expected.erase(prefix + key);
      } else {
        if (entry == nullptr) entry = table.Add(key, StateTable::Hash(key), 1);
        entry->data()[0] = static_cast<char>('a' + random() % 26);
        table.Touch(entry);
        expected[prefix + key] = entry->value();
      }
      if (random() % 300 == 0) {
        OutputBatch changes;
        state.Checkpoint(&changes);
        log.Take(changes);
      }
    }
    state.ForEach([&](Partition& partition) { partition.clocks[1].newest_us = worker; });
    OutputBatch changes;
    state.Checkpoint(&changes);
    log.Take(changes);
    changes.Clear();
    state.Checkpoint(&changes);
    EXPECT_TRUE(changes.records().empty()) << "nothing has changed";
  }
}

// Reads records, in their order, as a worker that begins.
std::map<std::string, std::string> RestoredFrom(
    const std::vector<std::pair<std::string, std::optional<std::string>>>& records) {
  StageState state(2);
  EXPECT_TRUE(state.AddStep("dedup-1", "1", MakeAny).ok());
  EXPECT_TRUE(state.AddStep("window-1", "1", MakeAny).ok());
  state.Assign(1, 3);
  std::vector<Record> batch;
  for (const auto& [key, value] : records) {
    Record record;
    record.key = key;
    record.has_key = true;
    record.has_value = value.has_value();
    record.value = value.value_or("");
    record.partition = 1;
    batch.push_back(record);
  }
  EXPECT_TRUE(state.Restore(Batch("changelog", batch, nullptr)).ok());
  state.Restored(1);
  std::map<std::string, std::string> all;
  const auto walk = state.Detach(1);
  EXPECT_EQ(state.Find(1), nullptr);
  while (*walk->Next(100, [&](std::string_view key, std::string_view value) {
    EXPECT_TRUE(all.emplace(key, value).second) << "nothing changes, but a key comes twice";
  })) {
  }
  return all;
}

// What a walk has visited, checkpoint by checkpoint, and the changelog since it began, are the
// state.
TEST(StageStateTest, AWalkAndTheChangelogSinceAreTheState) {
  std::mt19937 random(5);
  for (int round = 0; round < 30; ++round) {
    StageState state(2);
    ASSERT_TRUE(state.AddStep("dedup-1", "1", MakeAny).ok());
    ASSERT_TRUE(state.AddStep("window-1", "1", MakeAny).ok());
    state.Assign(1, 3);
    state.Restored(1);
    std::vector<std::pair<std::string, std::optional<std::string>>> log;
    std::vector<std::pair<std::string, std::optional<std::string>>> snapshot;
    size_t since = 0;
    std::unique_ptr<runtime::StateWalk> walk;
    for (int checkpoint = 0; checkpoint < 400; ++checkpoint) {
      Partition& partition = *state.Find(1);
      partition.clocks[random() % 2].newest_us = checkpoint;
      for (int i = 0; i < 20; ++i) {
        StepState& step = *partition.steps[random() % 2];
        const int64_t bucket = static_cast<int64_t>(random() % 4) + checkpoint / 100;
        const std::string key = KeyOf(static_cast<int>(random() % 300));
        StateTable& table = step.table(bucket);
        StateTable::Entry* entry = table.Find(key, StateTable::Hash(key));
        if (random() % 400 == 0) {
          step.Drop(bucket);
        } else if (entry != nullptr && random() % 3 == 0) {
          table.Erase(entry, step.forgotten(bucket));
        } else {
          if (entry == nullptr) entry = table.Add(key, StateTable::Hash(key), 1);
          entry->data()[0] = static_cast<char>('a' + random() % 26);
          table.Touch(entry);
        }
      }
      OutputBatch changes;
      state.Checkpoint(&changes);
      if (checkpoint == 100) {
        walk = state.Walk(1);
        since = log.size();  // this checkpoint's records are in both
      }
      for (const OutputRecord& record : changes.records()) {
        log.emplace_back(record.key, record.has_value
                                         ? std::optional<std::string>(changes.Value(record))
                                         : std::nullopt);
      }
      if (walk != nullptr &&
          !*walk->Next(random() % 2000, [&](std::string_view key, std::string_view value) {
            snapshot.emplace_back(key, value);
          })) {
        walk.reset();
        break;
      }
    }
    ASSERT_EQ(walk, nullptr) << "it should have come to an end";
    snapshot.insert(snapshot.end(), log.begin() + static_cast<ptrdiff_t>(since), log.end());
    EXPECT_EQ(RestoredFrom(snapshot), RestoredFrom(log));
  }
}

TEST(StageStateTest, ForgetsTheStateOfStepsThatAreGone) {
  Changelog log;
  OutputBatch changes;
  const auto write = [&](std::string_view layout) {
    StageState state;
    const int index = *state.AddStep("features-1", layout, MakeAny);
    state.Assign(0);
    EXPECT_TRUE(log.Give(0, &state).ok());
    StateTable& table = state.Find(0)->steps[index]->table();
    EXPECT_EQ(table.size(), 0u) << "state of another layout is not read";
    table.Add("k", StateTable::Hash("k"), 8);
    changes.Clear();
    state.Checkpoint(&changes);
    log.Take(changes);
    return state.orphans();
  };
  EXPECT_EQ(write("old"), 0u);
  EXPECT_EQ(log.kept()[0].size(), 1u);
  EXPECT_EQ(write("new"), 1u);
  EXPECT_EQ(log.kept()[0].size(), 1u) << "what nobody reads is taken out of the changelog";
}

TEST(StageStateTest, RefusesAChangelogThatIsNone) {
  StageState state;
  ASSERT_TRUE(state.AddStep("dedup-1", "1", MakeAny).ok());
  const auto restore = [&](std::string key, std::string value) {
    state.Reset();
    state.Assign(4);
    Record record;
    record.key = key;
    record.has_key = true;
    record.value = value;
    record.partition = 4;
    record.offset = 17;
    return state.Restore(Batch("changelog", {record}, nullptr));
  };
  EXPECT_THAT(restore("", "x").ToString(), HasSubstr("partition 4, offset 17"));
  EXPECT_FALSE(restore(std::string("\2") + std::string(12, 'x'), "x").ok());
  state.Assign(4);
  state.Find(4)->steps[0]->table().Add("k", StateTable::Hash("k"), 3);
  OutputBatch changes;
  state.Checkpoint(&changes);
  ASSERT_EQ(changes.records().size(), 1u);
  const std::string key(changes.records()[0].key);
  EXPECT_TRUE(restore(key, "good").ok());
  EXPECT_THAT(restore(key, "bad").ToString(), HasSubstr("no state of step dedup-1"));
}

TEST(StageStateTest, TwoStepsOfOneNameAreRefused) {
  StageState state;
  ASSERT_TRUE(state.AddStep("recent", "1", MakeAny).ok());
  EXPECT_THAT(state.AddStep("recent", "1", MakeAny).status().ToString(), HasSubstr("recent"));
  EXPECT_TRUE(state.AddStep("recent", "2", MakeAny).ok());
}

}  // namespace
}  // namespace levada::scoring
