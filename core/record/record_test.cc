#include "core/record/record.h"

#include <gtest/gtest.h>

namespace levada {
namespace {

TEST(BatchTest, OfLinesHasOffsetsAndNoKeys) {
  const Batch batch = Batch::FromValues("t", {"a", "", "ccc"}, 7, 1000);
  ASSERT_EQ(batch.size(), 3u);
  EXPECT_EQ(batch[2].value, "ccc");
  EXPECT_EQ(batch[2].offset, 9);
  EXPECT_EQ(batch[2].timestamp_ms, 1000);
  EXPECT_FALSE(batch[0].has_key);
  EXPECT_TRUE(batch[1].has_value);
  EXPECT_EQ(batch.bytes(), 4u);
}

TEST(BatchTest, ACopyKeepsTheMemory) {
  Batch copy;
  {
    const Batch batch = Batch::FromValues("t", {std::string(1000, 'x')});
    copy = batch;
  }
  EXPECT_EQ(copy[0].value, std::string(1000, 'x'));
}

TEST(OutputBatchTest, ValuesAreInTheBufferOrBorrowed) {
  OutputBatch output;
  output.buffer() = "one";
  OutputRecord own;
  own.size = 3;
  OutputRecord borrowed;
  borrowed.begin = OutputRecord::kBorrowed;
  borrowed.borrowed = "input";
  EXPECT_EQ(output.Value(own), "one");
  EXPECT_EQ(output.Value(borrowed), "input");
}

TEST(OutputBatchTest, KeysStayWhereTheyAreUntilClear) {
  OutputBatch output;
  std::vector<std::string_view> keys;
  for (int i = 0; i < 5000; ++i) keys.push_back(output.KeepKey(std::to_string(i) + "-key"));
  const std::string large(200'000, 'k');
  const std::string_view kept = output.KeepKey(large);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(keys[i], std::to_string(i) + "-key");
  EXPECT_EQ(kept, large);
  output.Clear();
  EXPECT_EQ(output.KeepKey("again"), "again");
}

TEST(OutputBatchTest, MuchIsPassedOnWhereSomeoneTakesIt) {
  OutputBatch output;
  output.buffer().assign(8 << 20, 'x');
  EXPECT_TRUE(output.PassOn().ok());
  EXPECT_EQ(output.buffer().size(), size_t{8} << 20) << "there is nobody";
  size_t taken = 0;
  output.set_receiver([&](OutputBatch* some) {
    taken += some->buffer().size();
    some->Clear();
    return absl::OkStatus();
  });
  EXPECT_TRUE(output.PassOn().ok());
  EXPECT_EQ(taken, size_t{8} << 20);
  output.buffer() = "little";
  EXPECT_TRUE(output.PassOn().ok());
  EXPECT_EQ(taken, size_t{8} << 20);
  output.records().resize(100'000);
  output.set_receiver([](OutputBatch*) { return absl::AbortedError("no"); });
  EXPECT_EQ(output.PassOn(), absl::AbortedError("no"));
}

TEST(OutputBatchTest, ClearForgetsEverything) {
  OutputBatch output;
  output.buffer() = "x";
  output.records().emplace_back();
  output.dead_letters().push_back({0, "bad"});
  output.filtered = 3;
  output.Clear();
  EXPECT_TRUE(output.buffer().empty());
  EXPECT_TRUE(output.records().empty());
  EXPECT_TRUE(output.dead_letters().empty());
  EXPECT_EQ(output.filtered, 0u);
}

}  // namespace
}  // namespace levada
