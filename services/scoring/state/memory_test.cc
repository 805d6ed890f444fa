// State that memory has no room for: whatever is on disk, a table is the same map; what goes over
// all of a partition sees all of it; disks that take nothing, or cannot be read.
#include "services/scoring/state/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <tuple>

#include "core/base/random.h"
#include "services/scoring/state/blob.h"
#include "services/scoring/state/testing.h"

namespace levada::scoring {
namespace {

using testing::HasSubstr;
using Records = std::vector<std::pair<std::string, std::optional<std::string>>>;

// A store that may be made to fail.
class Failing : public SpillStore {
 public:
  bool takes = true;
  bool gives = true;

  absl::Status Put(std::span<const Item> items) override {
    if (!takes) return absl::UnavailableError("disk full");
    for (const Item& item : items) kept_[item.key] = std::string(item.value);
    return absl::OkStatus();
  }
  absl::StatusOr<bool> Take(const std::string& key, std::string* value) override {
    if (!gives) return absl::UnavailableError("disk broken");
    const auto found = kept_.find(key);
    if (found == kept_.end()) return false;
    *value = found->second;
    kept_.erase(found);
    return true;
  }
  void Remove(const std::string& key) override { kept_.erase(key); }
  void RemoveAll(const std::string&) override { kept_.clear(); }
  uint64_t taken() const override { return 0; }
  std::unique_ptr<Cursor> Scan(const std::string&, const std::string&) override {
    ADD_FAILURE() << "is not asked for";
    return nullptr;
  }

 private:
  std::map<std::string, std::string> kept_;
};

class MemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = base::StrCat(testing::TempDir(), "spill-", base::RandomSeed());
  }
  void TearDown() override {
    EXPECT_TRUE(!std::filesystem::exists(folder_) || std::filesystem::is_empty(folder_))
        << "files are left";
    std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<StageState> NewState(size_t limit_bytes) {
    auto state = std::make_unique<StageState>(2);
    EXPECT_TRUE(state->AddStep("dedup-1", "1", MakeAny).ok());
    EXPECT_TRUE(state->AddStep("window-1", "1", MakeAny).ok());
    state->set_memory(limit_bytes, [this] { return OpenSpillStore(folder_); });
    return state;
  }
  // As a worker that begins reads records of partition 1.
  std::unique_ptr<StageState> Restored(size_t limit_bytes, const Records& records) {
    auto state = NewState(limit_bytes);
    state->Assign(1, 3);
    for (size_t i = 0; i < records.size(); i += 100) {
      std::vector<Record> batch;
      for (size_t k = i; k < std::min(i + 100, records.size()); ++k) {
        Record record;
        record.key = records[k].first;
        record.has_key = true;
        record.has_value = records[k].second.has_value();
        if (record.has_value) record.value = *records[k].second;
        record.partition = 1;
        batch.push_back(record);
      }
      EXPECT_TRUE(state->Restore(Batch("changelog", batch, nullptr)).ok());
      EXPECT_TRUE(state->KeepWithin().ok());
    }
    state->Restored(1);
    return state;
  }
  static std::map<std::string, std::string> All(StageState* state) {
    std::map<std::string, std::string> all;
    const auto walk = state->Detach(1);
    EXPECT_EQ(state->Find(1), nullptr);
    while (*walk->Next(100, [&](std::string_view key, std::string_view value) {
      EXPECT_TRUE(all.emplace(key, value).second) << "twice";
    })) {
    }
    return all;
  }
  static Records Checkpoint(StageState* state) {
    OutputBatch changes;
    state->Checkpoint(&changes);
    Records records;
    for (const OutputRecord& record : changes.records()) {
      records.emplace_back(record.key, std::nullopt);
      if (record.has_value) records.back().second = changes.Value(record);
    }
    return records;
  }

  std::string folder_;
};

// Operations at random on tables of which nearly all is on disk.
TEST_F(MemoryTest, ATableOnDiskIsAMapUnderRandomUse) {
  constexpr size_t kLimit = 400'000;
  const auto state = NewState(kLimit);
  state->Assign(1, 3);
  state->Restored(1);
  std::mt19937_64 random(2);
  using Key = std::tuple<size_t, int64_t, std::string>;  // step, bucket, key
  std::map<Key, std::string> expected;
  Records log;
  Records snapshot;
  std::unique_ptr<runtime::StateWalk> walk;
  int snapshots = 0;
  for (int batch = 0; batch < 1200; ++batch) {
    StepState& step = *state->Find(1)->steps[batch % 2];
    for (int i = 0; i < 100; ++i) {
      const int64_t bucket = batch / 300 + static_cast<int64_t>(random() % 3);
      // Some keys more often than others.
      const std::string key = KeyOf(random() % (random() % 4 == 0 ? 100 : 3000));
      const Key place{batch % 2, bucket, key};
      StateTable& table = step.table(bucket);
      StateTable::Entry* entry = table.Find(key, StateTable::Hash(key));
      const auto known = expected.find(place);
      ASSERT_EQ(entry != nullptr, known != expected.end());
      if (entry != nullptr) {
        ASSERT_EQ(entry->value(), known->second);
      }
      const uint64_t what = random() % 8;
      if (what == 0 && entry != nullptr) {
        table.Erase(entry, step.forgotten(bucket));
        expected.erase(known);
      } else if (what < 5) {
        std::string value(random() % 64 == 0 ? random() % 5000 : random() % 100,
                          static_cast<char>('a' + random() % 26));
        const auto size = static_cast<uint32_t>(value.size());
        entry = entry == nullptr ? table.Add(key, StateTable::Hash(key), size)
                                 : table.Resize(entry, size);
        std::copy(value.begin(), value.end(), entry->data());
        table.Touch(entry);
        expected[place] = std::move(value);
      }
    }
    if (batch % 300 >= 298) {
      const int64_t bucket = batch / 300;
      std::vector<std::pair<std::string, std::string>> values;
      step.table(bucket).ForEachByKey(
          [&](std::string_view key, std::string_view value) { values.emplace_back(key, value); });
      auto at = expected.lower_bound({batch % 2, bucket, ""});
      for (const auto& [key, value] : values) {
        ASSERT_EQ(at->first, Key(batch % 2, bucket, key));
        ASSERT_EQ(at++->second, value);
      }
      step.Drop(bucket);
      std::erase_if(expected, [&](const auto& each) {
        return std::get<0>(each.first) == static_cast<size_t>(batch % 2) &&
               std::get<1>(each.first) == bucket;
      });
    }
    if (random() % 4 == 0) {
      for (auto& [bucket, table] : step.tables()) {
        table.Sweep(200, step.forgotten(bucket), [&](StateTable::Entry& entry) {
          if (!entry.value().starts_with("q")) return false;
          expected.erase({batch % 2, bucket, std::string(entry.key())});
          return true;
        });
      }
    }
    if (random() % 3 == 0) {
      for (auto& record : Checkpoint(state.get())) log.push_back(std::move(record));
      if (walk == nullptr) {
        walk = state->Walk(1);
        snapshot = {};
        log.clear();
      }
      const bool more = *walk->Next(200'000, [&](std::string_view key, std::string_view value) {
        snapshot.emplace_back(key, std::string(value));
      });
      if (!more) {
        walk.reset();
        // With what the changelog got since it is the state.
        snapshot.insert(snapshot.end(), log.begin(), log.end());
        const auto other = Restored(kLimit, snapshot);
        EXPECT_LT(other->bytes(), kLimit * 3 / 2);
        ASSERT_EQ(other->keys(), state->keys());
        if (++snapshots % 2 == 0) {
          const auto whole = Restored(0, snapshot);
          const auto limited = All(other.get());
          const auto unlimited = All(whole.get());
          std::vector<std::pair<std::string, std::string>> differ;
          std::set_symmetric_difference(limited.begin(), limited.end(), unlimited.begin(),
                                        unlimited.end(), std::back_inserter(differ));
          ASSERT_THAT(differ, testing::IsEmpty()) << limited.size() << ", " << unlimited.size();
        }
      }
    }
    ASSERT_TRUE(state->KeepWithin().ok());
    ASSERT_EQ(state->keys(), expected.size());
  }
  EXPECT_GT(snapshots, 2);
  const StateMemory::Counts counts = state->spilled();
  EXPECT_GT(counts.spilled, 5'000u);
  EXPECT_GT(counts.read_back, 5'000u);
  EXPECT_GT(counts.keys, state->keys() / 2);
  Checkpoint(state.get());
  ASSERT_TRUE(state->KeepWithin().ok());
  EXPECT_LE(state->bytes(), kLimit);
  std::map<Key, std::string> found;
  for (size_t step = 0; step < 2; ++step) {
    for (auto& [bucket, table] : state->Find(1)->steps[step]->tables()) {
      table.ForEach([&, step, bucket = bucket](StateTable::Entry* entry) {
        found[{step, bucket, std::string(entry->key())}] = entry->value();
      });
    }
  }
  EXPECT_EQ(found, expected);
}

TEST_F(MemoryTest, WhatIsInMemoryCostsTheDiskNothing) {
  const auto state = NewState(10 << 20);
  state->Assign(1, 3);
  StateTable& table = state->Find(1)->steps[0]->table();
  for (int i = 0; i < 1000; ++i) table.Add(KeyOf(i), StateTable::Hash(KeyOf(i)), 8);
  Checkpoint(state.get());
  ASSERT_TRUE(state->KeepWithin().ok());
  EXPECT_FALSE(std::filesystem::exists(folder_));
  EXPECT_EQ(state->spilled().spilled, 0u);
}

// A sweep comes to what is on disk, too.
TEST_F(MemoryTest, KeysExpireOnDisk) {
  const auto state = NewState(20'000);
  state->Assign(1, 3);
  StepState& step = *state->Find(1)->steps[0];
  StateTable& table = step.table();
  for (uint64_t i = 0; i < 5000; ++i) {
    *table.Add(KeyOf(i), StateTable::Hash(KeyOf(i)), 8)->As<uint64_t>() = i;
  }
  Checkpoint(state.get());
  ASSERT_TRUE(state->KeepWithin().ok());
  EXPECT_GT(state->spilled().keys, 4000u);
  for (int i = 0; i < 5000; ++i) {
    table.Sweep(64, step.forgotten(),
                [](StateTable::Entry& entry) { return *entry.As<uint64_t>() % 10 != 0; });
  }
  EXPECT_EQ(state->keys(), 500u);
  size_t tombstones = 0;
  for (const auto& [key, value] : Checkpoint(state.get())) tombstones += !value.has_value();
  EXPECT_EQ(tombstones, 4500u);
}

TEST_F(MemoryTest, WhatTheDiskDoesNotTakeStaysInMemory) {
  const auto store = std::make_shared<Failing>();
  store->takes = false;
  const auto state = NewState(0);
  state->set_memory(1000, [&]() -> absl::StatusOr<std::shared_ptr<SpillStore>> { return store; });
  state->Assign(1, 3);
  StateTable& table = state->Find(1)->steps[0]->table();
  for (uint64_t i = 0; i < 500; ++i) {
    *table.Add(KeyOf(i), StateTable::Hash(KeyOf(i)), 8)->As<uint64_t>() = i;
  }
  Checkpoint(state.get());
  const auto all_are_there = [&] {
    for (uint64_t i = 0; i < 500; ++i) {
      StateTable::Entry* const entry = table.Find(KeyOf(i), StateTable::Hash(KeyOf(i)));
      ASSERT_NE(entry, nullptr);
      ASSERT_EQ(*entry->As<uint64_t>(), i);
    }
  };
  ASSERT_TRUE(state->KeepWithin().ok());
  EXPECT_EQ(state->spilled().failures, 1u);
  all_are_there();
  ASSERT_TRUE(state->KeepWithin().ok());
  EXPECT_EQ(state->spilled().failures, 1u) << "not tried again at once";
}

// What had to stay in memory goes as soon as there is room, and the table's places with it.
TEST_F(MemoryTest, ABoundThatWasPassedIsKeptAgain) {
  constexpr size_t kLimit = 400'000;
  const auto state = NewState(kLimit);
  state->Assign(1, 3);
  state->Restored(1);
  StateTable& table = state->Find(1)->steps[0]->table();
  for (uint64_t i = 0; i < 40'000; ++i) {
    *table.Add(KeyOf(i), StateTable::Hash(KeyOf(i)), 8)->As<uint64_t>() = i;
  }
  EXPECT_GT(state->bytes(), 4'000'000u);
  const auto walk = state->Walk(1);
  std::map<std::string, std::string> walked;
  const auto walk_on = [&] {
    return *walk->Next(200'000, [&](std::string_view key, std::string_view value) {
      walked.insert_or_assign(std::string(key), std::string(value));
    });
  };
  walk_on();
  Checkpoint(state.get());
  ASSERT_TRUE(state->KeepWithin().ok());
  EXPECT_LE(state->bytes(), kLimit);
  while (walk_on()) {
  }
  EXPECT_EQ(walked.size(), 40'000u) << "those that left memory before the walk came to them";
  for (uint64_t i = 0; i < 40'000; ++i) {
    StateTable::Entry* const entry = table.Find(KeyOf(i), StateTable::Hash(KeyOf(i)));
    ASSERT_NE(entry, nullptr);
    ASSERT_EQ(*entry->As<uint64_t>(), i);
  }
}

TEST_F(MemoryTest, WhatIsOnDiskOfAPartitionGoesWithIt) {
  std::shared_ptr<SpillStore> store;
  const auto state = NewState(0);
  state->set_memory(1000, [&] {
    auto opened = OpenSpillStore(folder_);
    store = *opened;
    return opened;
  });
  const auto on_disk = [&] { return store->Scan("", "")->valid(); };
  for (const bool walked : {true, false}) {
    state->Assign(1, 3);
    state->Restored(1);
    StateTable& table = state->Find(1)->steps[0]->table();
    for (int i = 0; i < 500; ++i) table.Add(KeyOf(i), StateTable::Hash(KeyOf(i)), 8);
    Checkpoint(state.get());
    ASSERT_TRUE(state->KeepWithin().ok());
    ASSERT_TRUE(on_disk());
    if (walked) {
      auto walk = state->Detach(1);
      EXPECT_TRUE(on_disk());
      walk.reset();
    } else {
      state->Release(1);
    }
    EXPECT_FALSE(on_disk());
  }
}

TEST_F(MemoryTest, ADiskThatCannotBeReadEndsTheSession) {
  const auto store = std::make_shared<Failing>();
  const auto state = NewState(0);
  state->set_memory(1000, [&]() -> absl::StatusOr<std::shared_ptr<SpillStore>> { return store; });
  state->Assign(1, 3);
  StateTable& table = state->Find(1)->steps[0]->table();
  for (int i = 0; i < 500; ++i) table.Add(KeyOf(i), StateTable::Hash(KeyOf(i)), 8);
  EXPECT_TRUE(state->KeepWithin().ok());
  EXPECT_TRUE(state->crowded()) << "all of it has changed";
  Checkpoint(state.get());
  EXPECT_FALSE(state->crowded());
  EXPECT_TRUE(state->KeepWithin().ok());
  EXPECT_GT(state->spilled().keys, 400u);
  store->gives = false;
  for (int i = 0; i < 500; ++i) table.Find(KeyOf(i), StateTable::Hash(KeyOf(i)));
  EXPECT_THAT(state->status().ToString(), HasSubstr("disk broken"));
  EXPECT_FALSE(state->KeepWithin().ok());
  store->gives = true;
  EXPECT_FALSE(state->KeepWithin().ok()) << "what was done meanwhile is not to be used";
}

TEST_F(MemoryTest, FilesOfAnEarlierProcessAreRemoved) {
  std::filesystem::create_directories(folder_ + "/999999999-0");
  {
    auto first = OpenSpillStore(folder_);
    auto second = OpenSpillStore(folder_);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_FALSE(std::filesystem::exists(folder_ + "/999999999-0"));
    ASSERT_TRUE((*first)->Put(std::vector<SpillStore::Item>{{"a1", "x"}, {"b1", "y"}}).ok());
    std::string value;
    EXPECT_EQ(*(*second)->Take("a1", &value), false);
    (*first)->RemoveAll("a");
    EXPECT_EQ(*(*first)->Take("a1", &value), false);
    EXPECT_EQ(*(*first)->Take("b1", &value), true);
    EXPECT_EQ(value, "y");
    EXPECT_EQ(*(*first)->Take("b1", &value), false);
  }
}

}  // namespace
}  // namespace levada::scoring
