#include "cli/dlq/letters.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/dlq/summary.h"

namespace levada::cli {
namespace {

Record RecordAt(int64_t offset, int32_t partition = 0, int64_t timestamp_ms = 1000) {
  Record record;
  record.offset = offset;
  record.partition = partition;
  record.timestamp_ms = timestamp_ms;
  record.value = "{}";
  return record;
}

const std::vector<Header> kDead = {{"trace", "t1"},
                                   {"levada-error", "field \"n\" is 17"},
                                   {"levada-stage", "orders/detect"},
                                   {"levada-topic", "in"},
                                   {"levada-partition", "3"},
                                   {"levada-offset", "42"},
                                   {"levada-timestamp", "999"}};

TEST(ReplayedTest, ContainsWhatItsTextSays) {
  EXPECT_EQ(Replayed::Format({1, 2, 3, 5, 8, 9}), "1-3,5,8-9");
  Replayed replayed;
  replayed.Parse(0, "1-3,5,8-9");
  replayed.Parse(1, "4");
  for (const int64_t offset : {1, 2, 3, 5, 8, 9}) EXPECT_TRUE(replayed.Contains(0, offset));
  for (const int64_t offset : {0, 4, 6, 7, 10}) EXPECT_FALSE(replayed.Contains(0, offset));
  EXPECT_TRUE(replayed.Contains(1, 4));
  EXPECT_FALSE(replayed.Contains(2, 4));
}

TEST(ReplayedTest, PassesOverWhatItCannotRead) {
  Replayed replayed;
  replayed.Parse(0, "x,7,9-8,-,1-,99999999999999999999,3");
  EXPECT_TRUE(replayed.Contains(0, 7));
  EXPECT_TRUE(replayed.Contains(0, 3));
  EXPECT_TRUE(replayed.Contains(0, 1));
  EXPECT_FALSE(replayed.Contains(0, 9));
}

TEST(LetterTest, IsTheOriginalAndWhatWasWrong) {
  const Record record = RecordAt(7);
  Replayed replayed;
  const auto letter = LetterOf(record, kDead, &replayed);
  ASSERT_TRUE(letter);
  EXPECT_EQ(letter->pipeline, "orders");
  EXPECT_EQ(letter->stage, "detect");
  EXPECT_EQ(letter->error, "field \"n\" is 17");
  EXPECT_EQ(letter->topic, "in");
  EXPECT_EQ(letter->partition, 3);
  EXPECT_EQ(letter->offset, 42);
  EXPECT_EQ(letter->full_size, -1);
  ASSERT_EQ(letter->headers.size(), 1U);
  EXPECT_EQ(letter->headers[0].name, "trace");
}

TEST(LetterTest, OfALetterKeepsTheHeadersThatItCameWith) {
  std::vector<Header> twice = kDead;
  twice.insert(twice.end(), {{"levada-error", "again"}, {"levada-stage", "audit/count"}});
  const Record record = RecordAt(7);
  Replayed replayed;
  const auto letter = LetterOf(record, twice, &replayed);
  ASSERT_TRUE(letter);
  EXPECT_EQ(letter->error, "again");
  EXPECT_EQ(letter->pipeline, "audit");
  EXPECT_EQ(letter->headers.size(), kDead.size());
}

TEST(LetterTest, ANoteOfWhatWasSentAgainIsNone) {
  Replayed replayed;
  EXPECT_FALSE(LetterOf(RecordAt(9, 2), {{"levada-replayed", "3-4"}}, &replayed));
  EXPECT_TRUE(replayed.Contains(2, 4));
  EXPECT_FALSE(LetterOf(RecordAt(9, 2), {}, &replayed));
}

TEST(FilterTest, TakesByStageReasonAndTime) {
  const Record record = RecordAt(7, 0, 5000);
  Replayed replayed;
  const Letter letter = *LetterOf(record, kDead, &replayed);
  const auto takes = [&](std::string_view pipeline, std::string_view stage, std::string_view reason,
                         int64_t since) {
    return Filter::Create(pipeline, stage, reason, since)->Takes(letter);
  };
  EXPECT_TRUE(takes("orders", "", "", 0));
  EXPECT_TRUE(takes("orders", "detect", "is 1[0-9]", 5000));
  EXPECT_FALSE(takes("other", "", "", 0)) << "of another pipeline on the same topic";
  EXPECT_FALSE(takes("orders", "search", "", 0));
  EXPECT_FALSE(takes("orders", "", "is 2", 0));
  EXPECT_FALSE(takes("orders", "", "", 5001));
  EXPECT_EQ(Filter::Create("orders", "", "(", 0).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ReasonTest, LeavesValuesOut) {
  EXPECT_EQ(ReasonOf("field \"a\" of event 17: expected 3.5"), "field … of event #: expected #.#");
  EXPECT_EQ(ReasonOf("it's \"open"), "it's \"open");
}

TEST(SummaryTest, CountsWhatWentWrongAlikeTogether) {
  Replayed replayed;
  Summary summary;
  const auto add = [&](int64_t offset, int64_t time, std::string_view error) {
    const Record record = RecordAt(offset, 0, time);
    std::vector<Header> headers = kDead;
    headers[1].value = error;
    summary.Add(*LetterOf(record, headers, &replayed));
  };
  add(0, 1000, "field \"n\" is 17");
  add(1, 3000, "not JSON");
  add(2, 2000, "field \"m\" is 18");
  replayed.Parse(0, "0");
  summary.Count(replayed);
  EXPECT_EQ(summary.total(), 3);
  EXPECT_EQ(summary.replayed(), 1);
  const std::vector<Summary::Group> groups = summary.Groups();
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].reason, "not JSON") << "the newest first";
  EXPECT_EQ(groups[1].count, 2);
  EXPECT_EQ(groups[1].replayed, 1);
  EXPECT_EQ(groups[1].example, "field \"m\" is 18");
}

TEST(NewestTest, KeepsTheNewestAndTheirBytes) {
  Newest newest(2);
  Replayed replayed;
  for (int64_t i = 0; i < 5; ++i) {
    Record record = RecordAt(i, 0, (i * 3 % 5) * 1000);  // times 0 3 1 4 2
    record.value = i == 3 ? "\xff" : "{\"a\":1}";
    newest.Add(*LetterOf(record, kDead, &replayed));
  }
  replayed.Parse(0, "1");
  const std::vector<nlohmann::json> letters = newest.Take(replayed);
  ASSERT_EQ(letters.size(), 2U);
  EXPECT_EQ(letters[0]["offset"], 3);
  EXPECT_EQ(letters[0]["value_base64"], "/w==");
  EXPECT_EQ(letters[0]["replayed"], false);
  EXPECT_EQ(letters[1]["offset"], 1);
  EXPECT_EQ(letters[1]["value"], "{\"a\":1}");
  EXPECT_EQ(letters[1]["replayed"], true);
  EXPECT_EQ(letters[1]["headers"]["trace"], "t1");
  EXPECT_EQ(letters[1]["from"]["offset"], 42);
}

}  // namespace
}  // namespace levada::cli
