// A checkpoint of much is handed over in pieces, and is what it was in one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "services/scoring/state/log_key.h"
#include "services/scoring/state/testing.h"

namespace levada::scoring {
namespace {

constexpr size_t kAtOnce = 2000;
constexpr int kKeys = 4500;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(state_.AddStep("step", "", MakeAny).ok());
    state_.Assign(0);
    state_.Restored(0);
  }
  StepState& step() { return *state_.Find(0)->steps[0]; }
  void Put(int number, char value) {
    const std::string key = base::StrCat("key-", number);
    *step().table().Add(key, StateTable::Hash(key), 1)->data() = value;
  }
  void Erase(int number) {
    const std::string key = base::StrCat("key-", number);
    StateTable& table = step().table();
    table.Erase(table.Find(key, StateTable::Hash(key)), step().forgotten());
  }
  // As the runtime takes it.
  void Checkpoint() {
    OutputBatch changes;
    const auto take = [this](OutputBatch* some) {
      pieces_.push_back(some->records().size());
      for (const OutputRecord& record : some->records()) Take(*some, record);
      some->Clear();
    };
    state_.Checkpoint(&changes, take);
    take(&changes);
  }
  void Take(const OutputBatch& changes, const OutputRecord& record) {
    LogKey key;
    ASSERT_TRUE(ReadLogKey(record.key, &key));
    if (!record.has_value) {
      kept_.erase(std::string(key.key));
      ++forgotten_;
    } else {
      kept_[std::string(key.key)] = changes.Value(record);
    }
  }

  StageState state_;
  std::vector<size_t> pieces_;
  std::map<std::string, std::string> kept_;
  int forgotten_ = 0;
};

TEST_F(CheckpointTest, ComesInPieces) {
  for (int i = 0; i < kKeys; ++i) Put(i, 'a');
  Checkpoint();
  EXPECT_THAT(pieces_, testing::ElementsAre(kAtOnce, kAtOnce, kKeys - 2 * kAtOnce));
  EXPECT_EQ(kept_.size(), size_t{kKeys});
}

TEST_F(CheckpointTest, WhatCameBackIsThereThoughItWasForgottenInAnotherPiece) {
  for (int i = 0; i < kKeys; ++i) Put(i, 'a');
  Checkpoint();
  for (int i = 0; i < kKeys; ++i) Erase(i);
  for (int i = 0; i < kKeys; i += 2) Put(i, 'b');
  Checkpoint();
  EXPECT_EQ(forgotten_, kKeys);
  EXPECT_EQ(kept_.size(), size_t{kKeys / 2});
  for (const auto& [key, value] : kept_) ASSERT_EQ(value, "b") << key;
}

TEST_F(CheckpointTest, NothingChangedIsNothing) {
  Put(1, 'a');
  Checkpoint();
  pieces_.clear();
  Checkpoint();
  EXPECT_THAT(pieces_, testing::ElementsAre(0));
}

}  // namespace
}  // namespace levada::scoring
