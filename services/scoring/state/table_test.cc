// Tables against std::map under random use.
#include "services/scoring/state/table.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

#include "services/scoring/state/blob.h"
#include "services/scoring/state/tables.h"
#include "services/scoring/state/testing.h"

namespace levada::scoring {
namespace {

TEST(StateTableTest, IsAMapUnderRandomUse) {
  Slab slab;
  StateTable table(&slab);
  std::map<std::string, std::string> expected;
  std::mt19937 random(1);
  for (int i = 0; i < 200'000; ++i) {
    const std::string key = KeyOf(static_cast<int>(random() % 3000));
    const uint64_t hash = StateTable::Hash(key);
    StateTable::Entry* entry = table.Find(key, hash);
    ASSERT_EQ(entry != nullptr, expected.contains(key));
    if (entry != nullptr) {
      ASSERT_EQ(entry->value(), expected[key]);
    }
    const std::string value(random() % 8 == 0 ? random() % 30'000 : random() % 100,
                            static_cast<char>('a' + random() % 26));
    if (random() % 4 == 0) {
      if (entry != nullptr) table.Erase(entry, nullptr);
      expected.erase(key);
    } else {
      entry = entry == nullptr ? table.Add(key, hash, static_cast<uint32_t>(value.size()))
                               : table.Resize(entry, static_cast<uint32_t>(value.size()));
      std::copy(value.begin(), value.end(), entry->data());
      table.Touch(entry);
      expected[key] = value;
    }
    ASSERT_EQ(table.size(), expected.size());
  }
  std::map<std::string, std::string> found;
  table.ForEach(
      [&](StateTable::Entry* entry) { found[std::string(entry->key())] = entry->value(); });
  EXPECT_EQ(found, expected);
  std::map<std::string, std::string> changed;
  table.TakeChanged([&](const StateTable::Entry& entry) {
    EXPECT_TRUE(changed.emplace(entry.key(), entry.value()).second) << "twice";
  });
  EXPECT_EQ(changed, expected);
  table.TakeChanged([](const StateTable::Entry&) { FAIL() << "nothing has changed"; });
  table.Clear(nullptr);
  EXPECT_EQ(slab.used(), 0u);
}

TEST(StateTableTest, ASweepComesToEveryKey) {
  Slab slab;
  StateTable table(&slab);
  for (int i = 0; i < 5000; ++i) {
    const std::string key = KeyOf(i);
    *table.Add(key, StateTable::Hash(key), sizeof(int))->As<int>() = i;
  }
  std::vector<std::string> forgotten;
  for (int i = 0; i < 5000; ++i) {
    table.Sweep(4, &forgotten, [](StateTable::Entry& entry) { return *entry.As<int>() % 3 != 0; });
  }
  EXPECT_EQ(table.size(), 1667u);
  EXPECT_TRUE(forgotten.empty()) << "the changelog never had them";
}

// Keys that are there all the while are visited, whatever comes and goes meanwhile.
TEST(StateTableTest, AWalkComesToEveryKey) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    Slab slab;
    StateTable table(&slab);
    std::set<std::string> stay;
    std::vector<std::string> others;
    for (int i = 0; i < round * 3; ++i) {
      const std::string key = KeyOf(i);
      table.Add(key, StateTable::Hash(key), 8);
      random() % 2 == 0 ? (void)stay.insert(key) : others.push_back(key);
    }
    std::set<std::string> visited;
    uint64_t cursor = 0;
    int next = 1'000'000;
    do {
      cursor =
          table.Walk(cursor, [&](const StateTable::Entry& entry) { visited.emplace(entry.key()); });
      for (int i = 0; i < round % 7 && others.size() < 1000; ++i) {
        const std::string key = KeyOf(next++);
        table.Add(key, StateTable::Hash(key), 8);
        others.push_back(key);
      }
      for (int i = 0; i < round % 5 && !others.empty(); ++i) {
        std::swap(others[random() % others.size()], others.back());
        table.Erase(table.Find(others.back(), StateTable::Hash(others.back())), nullptr);
        others.pop_back();
      }
    } while (cursor != 0);
    for (const std::string& key : stay) ASSERT_TRUE(visited.contains(key)) << "round " << round;
  }
}

TEST(EntryBlobTest, KeepsWhatWasWrittenWhereverItMoves) {
  Slab slab;
  StateTable table(&slab);
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    EntryBlob blob(&table, "k", StateTable::Hash("k"));
    ASSERT_EQ(blob.view(), expected);
    const std::string more(i, static_cast<char>('a' + i % 26));
    const size_t before = blob.size();
    blob.Resize(before + more.size() / 2);
    blob.Resize(before + more.size());
    std::copy(more.begin(), more.end(), blob.data() + before);
    blob.Done();
    expected += more;
  }
  EXPECT_EQ(table.Find("k", StateTable::Hash("k"))->value(), expected);
}

TEST(TablesTest, HaveTheNewestRowOfEachKey) {
  Tables tables;
  const size_t table = tables.Add("customers");
  EXPECT_EQ(tables.Add("customers"), table);
  const auto put = [&](std::string_view key, std::optional<std::string_view> value) {
    Record record;
    record.key = key;
    record.has_key = true;
    record.has_value = value.has_value();
    record.value = value.value_or("");
    tables.Update(table, Batch("customers", {record}, nullptr));
  };
  put("a", R"({"tier":1})");
  put("b", R"({"tier":2})");
  put("a", R"( {"tier":3} )");
  EXPECT_EQ(tables.Find(table, "a"), R"({"tier":3})");
  EXPECT_EQ(tables.rows(), 2u);
  put("b", std::nullopt);
  EXPECT_EQ(tables.Find(table, "b"), std::nullopt);
  put("a", "[1]");
  EXPECT_EQ(tables.Find(table, "a"), std::nullopt) << "no object: as if it were deleted";
  EXPECT_EQ(tables.rejected(), 1u);
}

}  // namespace
}  // namespace levada::scoring
