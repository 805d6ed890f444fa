#include "services/archiving/archiver.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "services/archiving/disk.h"
#include "services/archiving/parquet_reading.h"
#include "services/archiving/testing.h"

namespace levada::archiving {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kNoon = 1'793'620'800'000;  // 2026-11-02T12:00:00Z

class ArchiverTest : public ::testing::Test {
 protected:
  // A worker that is handed partition 0 (and 1), whose topic ends at `end`.
  struct Worker {
    Worker(TestStage& stage, std::vector<runtime::Assignment> wanted,
           CommitLog::StepHook hook = nullptr)
        : context(stage.Context()),
          archiver(std::make_unique<Archiver>(context, *stage.topic, std::move(hook))),
          assigned(std::move(wanted)) {
      const absl::Status status = archiver->Assign(&assigned);
      EXPECT_TRUE(status.ok()) << status;
    }
    absl::Status Add(std::vector<std::string> events, int64_t offset, int32_t partition = 0) {
      const Batch values = Batch::FromValues("tx", std::move(events), offset, kNoon);
      std::vector<Record> records = values.records();
      for (Record& record : records) record.partition = partition;
      dead.clear();
      return archiver->Add(Batch("tx", records, nullptr), &dead);
    }
    absl::Status Flush() {
      std::vector<runtime::Sink::Rejected> rejected;
      return archiver->Flush(&rejected);
    }

    runtime::StageContext context;
    std::unique_ptr<Archiver> archiver;
    std::vector<runtime::Assignment> assigned;
    std::vector<DeadLetter> dead;
  };

  static std::vector<runtime::Assignment> At(int64_t offset, int64_t end, int64_t epoch = 1) {
    return {{.partition = 0, .offset = offset, .epoch = epoch, .begin = 0, .end = end}};
  }

  // All rows of all files that readers see: of each the columns `_partition`, `_offset`.
  std::vector<std::string> Offsets() const {
    std::vector<std::string> offsets;
    for (const std::string& file : stage_.Files()) {
      for (const std::string& row : ReadParquet(stage_.Folder() + "/" + file).rows) {
        const size_t last = row.rfind('|');
        const size_t middle = row.rfind('|', last - 1);
        const size_t first = row.rfind('|', middle - 1);
        offsets.push_back(row.substr(first + 1, last - first - 1));
      }
    }
    std::sort(offsets.begin(), offsets.end());
    return offsets;
  }

  TestFolder data_;
  TestStage stage_{data_.path()};
};

TEST_F(ArchiverTest, DeclaredFieldsAreTypedColumnsInOrder) {
  stage_.AddField("id", v1::FIELD_TYPE_STRING, true);
  stage_.AddField("amount", v1::FIELD_TYPE_DOUBLE);
  stage_.AddField("at", v1::FIELD_TYPE_TIMESTAMP);
  stage_.AddField("tags", v1::FIELD_TYPE_LIST);
  Worker worker(stage_, At(-1, 2));
  ASSERT_TRUE(worker
                  .Add({R"({"id":"a","amount":1.5,"at":"2026-11-02T08:00:00Z","tags":["x"],"n":1})",
                        R"({"id":"b"})"},
                       0)
                  .ok());
  EXPECT_THAT(stage_.Files(), IsEmpty());
  ASSERT_TRUE(worker.Flush().ok());
  ASSERT_EQ(stage_.Files().size(), 1u);
  const std::string file = *stage_.Files().begin();
  EXPECT_THAT(file, ::testing::MatchesRegex("date=2026-11-02/part-[0-9a-f]+-1.parquet"));
  const ParquetContent content = ReadParquet(stage_.Folder() + "/" + file);
  EXPECT_THAT(content.columns,
              ElementsAre("id: string", "amount: double", "at: timestamp[us, tz=UTC]",
                          "tags: string", "_extra: string", "_key: string", "_partition: int32",
                          "_offset: int64", "_timestamp: timestamp[ms, tz=UTC]"));
  EXPECT_THAT(content.rows,
              ElementsAre("a|1.5|2026-11-02 08:00:00.000000Z|[\"x\"]|{\"n\":1}|null|0|0|"
                          "2026-11-02 12:00:00.000Z",
                          "b|null|null|null|null|null|0|1|2026-11-02 12:00:00.000Z"));
  EXPECT_EQ(stage_.TempFiles(), 0);
}

TEST_F(ArchiverTest, WithoutDeclaredFieldsColumnsAreFoundAndOnlyWiden) {
  Worker worker(stage_, At(-1, 9));
  ASSERT_TRUE(worker.Add({R"({"a":1,"b":"x"})", R"({"a":2,"c":{"d":1}})"}, 0).ok());
  ASSERT_TRUE(worker.Flush().ok());
  // The next worker goes on from what the table has.
  Worker next(stage_, At(2, 9));
  ASSERT_TRUE(next.Add({R"({"a":0.5,"e":true})"}, 2).ok());
  ASSERT_TRUE(next.Flush().ok());
  std::vector<std::vector<std::string>> columns;
  for (const std::string& file : stage_.Files()) {
    columns.push_back(ReadParquet(stage_.Folder() + "/" + file).columns);
    columns.back().resize(columns.back().size() - std::size(kMetaColumns));
  }
  EXPECT_THAT(columns, ::testing::UnorderedElementsAre(
                           ElementsAre("a: int64", "b: string", "c: string"),
                           ElementsAre("a: double", "b: string", "c: string", "e: bool")));
}

TEST_F(ArchiverTest, FoldersAreByTheTimeOfTheEvent) {
  stage_.topic->set_timestamp("at");
  stage_.archiving->set_partition_by(v1::PARTITION_BY_HOUR);
  Worker worker(stage_, At(-1, 9));
  ASSERT_TRUE(worker
                  .Add({R"({"at":"2026-11-02T08:59:59Z"})", R"({"at":"2026-11-02T09:00:00Z"})",
                        R"({"at":"1969-12-31T23:00:00Z"})", R"({"no":"time"})"},
                       0)
                  .ok());
  ASSERT_TRUE(worker.Flush().ok());
  std::vector<std::string> folders;
  for (const std::string& file : stage_.Files()) folders.push_back(fs::path(file).parent_path());
  EXPECT_THAT(folders, ElementsAre("date=1969-12-31/hour=23", "date=2026-11-02/hour=08",
                                   "date=2026-11-02/hour=09", "date=2026-11-02/hour=12"));
  EXPECT_EQ(Offsets().size(), 4u);
}

TEST_F(ArchiverTest, NdjsonKeepsTheEventsBytes) {
  const std::string pretty = "{\n \"a\": 1.50\n}";
  const std::string lines = "{  \"a\": 1.50 }\n{\"b\":\"\\n\"}\n";
  for (const v1::Compression compression :
       {v1::COMPRESSION_NONE, v1::COMPRESSION_GZIP, v1::COMPRESSION_ZSTD}) {
    stage_.archiving->mutable_ndjson()->set_folder("lake");
    stage_.archiving->mutable_ndjson()->set_compression(compression);
    stage_.archiving->clear_parquet();
    stage_.archiving->set_partition_by(v1::PARTITION_BY_NONE);
    fs::remove_all(stage_.Folder());
    Worker worker(stage_, At(-1, 9));
    ASSERT_TRUE(worker.Add({pretty, R"({"b":"\n"})", "{broken"}, 0).ok());
    ASSERT_EQ(worker.dead.size(), 1u);
    ASSERT_TRUE(worker.Flush().ok());
    ASSERT_EQ(stage_.Files().size(), 1u);
    const std::string name = *stage_.Files().begin();
    EXPECT_TRUE(name.ends_with(NdjsonSuffix(compression))) << name;
    const std::string bytes = *ReadWhole(stage_.Folder() + "/" + name);
    std::string text(1000, '\0');
    if (compression == v1::COMPRESSION_NONE) text = bytes;
    if (compression == v1::COMPRESSION_ZSTD) {
      text.resize(ZSTD_decompress(text.data(), text.size(), bytes.data(), bytes.size()));
    }
    if (compression == v1::COMPRESSION_GZIP) {
      gzFile file = gzopen((stage_.Folder() + "/" + name).c_str(), "rb");
      text.resize(gzread(file, text.data(), 1000));
      gzclose(file);
    }
    EXPECT_EQ(text, lines);
  }
}

TEST_F(ArchiverTest, WhatDoesNotFitIsDeadWithItsReason) {
  stage_.AddField("amount", v1::FIELD_TYPE_DOUBLE);
  Worker worker(stage_, At(-1, 9));
  ASSERT_TRUE(worker.Add({R"({"amount":1})", R"({"amount":"much"})", "{oops"}, 0).ok());
  ASSERT_EQ(worker.dead.size(), 2u);
  EXPECT_EQ(worker.dead[0].source, 1);
  EXPECT_EQ(worker.dead[0].error, "field `amount`: \"much\" is no double");
  ASSERT_TRUE(worker.Flush().ok());
  EXPECT_THAT(Offsets(), ElementsAre("0|0"));
  // They are behind us all the same.
  Worker next(stage_, At(-1, 9));
  EXPECT_EQ(next.assigned[0].offset, 2);  // the last one again, to know the topic by it
}

TEST_F(ArchiverTest, IsFullByCountAndBySizeAndOldAfterATime) {
  stage_.archiving->mutable_roll()->set_count(3);
  Worker worker(stage_, At(-1, 9));
  EXPECT_EQ(worker.archiver->FlushAt(), std::chrono::steady_clock::time_point::max());
  ASSERT_TRUE(worker.Add({"{}", "{}"}, 0).ok());
  EXPECT_FALSE(worker.archiver->Full());
  EXPECT_LE(worker.archiver->FlushAt(),
            std::chrono::steady_clock::now() + std::chrono::seconds(60));
  ASSERT_TRUE(worker.Add({"{}"}, 2).ok());
  EXPECT_TRUE(worker.archiver->Full());
  ASSERT_TRUE(worker.Flush().ok());
  EXPECT_FALSE(worker.archiver->Full());
  stage_.archiving->mutable_roll()->set_size("10");
  Worker sized(stage_, At(3, 9));
  ASSERT_TRUE(sized.Add({R"({"a":12345})"}, 3).ok());
  EXPECT_TRUE(sized.archiver->Full());
}

TEST_F(ArchiverTest, ReadingGoesOnWhereTheTableEnds) {
  {
    Worker worker(stage_, At(-1, 9));
    ASSERT_TRUE(worker.Add({"{}", "{}", "{}"}, 0).ok());
    ASSERT_TRUE(worker.Flush().ok());
    ASSERT_TRUE(worker.Add({"{}", "{}"}, 3).ok());  // and is lost here
  }
  EXPECT_EQ(stage_.TempFiles(), 0);
  // Whatever Kafka says: the table knows.
  for (const int64_t committed : {0, 2, 5}) {
    Worker worker(stage_, At(committed, 9));
    EXPECT_EQ(worker.assigned[0].offset, 3);
  }
  Worker worker(stage_, At(1, 9));
  ASSERT_TRUE(worker.Add({"{}", "{}", "{}", "{}"}, 1).ok());  // 1 and 2 are there already
  ASSERT_TRUE(worker.Flush().ok());
  EXPECT_THAT(Offsets(), ElementsAre("0|0", "0|1", "0|2", "0|3", "0|4"));
}

TEST_F(ArchiverTest, WhatRetentionHasDeletedIsNotAskedFor) {
  {
    Worker worker(stage_, At(-1, 9));
    ASSERT_TRUE(worker.Add({"{}"}, 0).ok());
    ASSERT_TRUE(worker.Flush().ok());
  }
  for (const int64_t committed : {-1, 20}) {
    Worker worker(stage_,
                  {{.partition = 0, .offset = committed, .epoch = 1, .begin = 20, .end = 30}});
    EXPECT_EQ(worker.assigned[0].offset, 20);
  }
}

TEST_F(ArchiverTest, ATopicThatWasCreatedAgainIsReadFromItsStart) {
  const auto write = [&](Worker& worker, int64_t offset, const std::string& event) {
    ASSERT_TRUE(worker.Add({event}, offset).ok());
    ASSERT_TRUE(worker.Flush().ok());
  };
  {
    Worker worker(stage_, At(-1, 9, 5));
    write(worker, 8, R"({"life":1})");
  }
  {
    Worker worker(stage_, At(0, 9, 6));  // told by the epoch
    EXPECT_EQ(worker.assigned[0].offset, -1);
    EXPECT_EQ(worker.assigned[0].epoch, 6);
    write(worker, 0, R"({"life":2})");
  }
  {
    Worker worker(stage_, At(-1, 0, 9));  // told by its end
    EXPECT_EQ(worker.assigned[0].offset, -1);
    EXPECT_EQ(worker.assigned[0].epoch, 9);
    // The start of the new life is not forgotten when other partitions go.
    worker.archiver->Release({});
    write(worker, 0, R"({"life":3})");
  }
  EXPECT_THAT(Offsets(), ElementsAre("0|0", "0|0", "0|8"));
}

TEST_F(ArchiverTest, WhereKafkaForgotTheGroupTheLastRecordTellsWhetherItIsTheSameTopic) {
  {
    Worker worker(stage_, At(-1, 9));
    ASSERT_TRUE(worker.Add({R"({"n":0})", R"({"n":1})"}, 0).ok());
    ASSERT_TRUE(worker.Flush().ok());
  }
  Worker same(stage_, At(-1, 9, 77));
  EXPECT_EQ(same.assigned[0].offset, 1);
  EXPECT_EQ(same.assigned[0].epoch, 1);
  ASSERT_TRUE(same.Add({R"({"n":1})", R"({"n":2})"}, 1).ok());
  ASSERT_TRUE(same.Flush().ok());
  EXPECT_THAT(Offsets(), ElementsAre("0|0", "0|1", "0|2"));

  Worker other(stage_, At(-1, 9, 78));
  EXPECT_EQ(other.assigned[0].offset, 2);
  EXPECT_EQ(other.Add({R"({"n":"other"})"}, 2).code(), absl::StatusCode::kAborted);
  other.archiver->Discard();
  std::vector<runtime::Assignment> again = At(-1, 9, 78);
  ASSERT_TRUE(other.archiver->Assign(&again).ok());
  EXPECT_EQ(again[0].offset, -1);
  EXPECT_EQ(again[0].epoch, 78);
  ASSERT_TRUE(other.Add({R"({"n":"first"})"}, 0).ok());
  ASSERT_TRUE(other.Flush().ok());
  EXPECT_THAT(Offsets(), ElementsAre("0|0", "0|0", "0|1", "0|2"));
}

TEST_F(ArchiverTest, AWorkerThatLostItsPartitionCannotWriteIt) {
  Worker zombie(stage_, At(-1, 9));
  ASSERT_TRUE(zombie.Add({"{}", "{}"}, 0).ok());
  Worker heir(stage_, At(-1, 9));
  ASSERT_TRUE(heir.Add({"{}", "{}", "{}"}, 0).ok());
  ASSERT_TRUE(heir.Flush().ok());
  const absl::Status late = zombie.Flush();
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(late.message()), HasSubstr("another worker has written up to offset 3"));
  zombie.archiver->Discard();
  EXPECT_THAT(Offsets(), ElementsAre("0|0", "0|1", "0|2"));
  EXPECT_EQ(stage_.TempFiles(), 0);
}

TEST_F(ArchiverTest, WorkersWithTheirOwnPartitionsShareAFolder) {
  Worker one(stage_, {{.partition = 0, .end = 99}});
  Worker two(stage_, {{.partition = 1, .end = 99}});
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(one.Add({"{}"}, i, 0).ok());
    ASSERT_TRUE(two.Add({"{}"}, i, 1).ok());
    ASSERT_TRUE(one.Flush().ok());
    ASSERT_TRUE(two.Flush().ok());
  }
  EXPECT_THAT(Offsets(),
              ElementsAre("0|0", "0|1", "0|2", "0|3", "0|4", "1|0", "1|1", "1|2", "1|3", "1|4"));
  Worker both(stage_,
              {{.partition = 0, .offset = 0, .end = 99}, {.partition = 1, .offset = 0, .end = 99}});
  EXPECT_EQ(both.assigned[0].offset, 5);
  EXPECT_EQ(both.assigned[1].offset, 5);
}

TEST_F(ArchiverTest, ManyFoldersAtOnceAreWrittenWithFewFilesOpen) {
  stage_.topic->set_timestamp("at");
  std::vector<std::string> events;
  for (int i = 0; i < 300; ++i) {
    events.push_back(base::StrCat("{\"at\":", 1'700'000'000 + (i % 100) * 86'400, "}"));
  }
  Worker worker(stage_, At(-1, 999));
  ASSERT_TRUE(worker.Add(events, 0).ok());
  ASSERT_TRUE(worker.Flush().ok());
  EXPECT_EQ(stage_.Files().size(), 300u);  // in turn: each folder's file was completed before
  EXPECT_EQ(Offsets().size(), 300u);
}

TEST_F(ArchiverTest, AFullDiskMakesItWaitAndNothingIsLost) {
  stage_.AddField("text", v1::FIELD_TYPE_STRING);
  Worker worker(stage_, At(-1, 999));
  ASSERT_TRUE(worker.Add({R"({"text":"first"})"}, 0).ok());
  int fd = -1;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    const std::string target = fs::read_symlink(entry, ignored).string();
    if (target.starts_with(stage_.Folder()) && target.ends_with(".tmp")) {
      fd = std::stoi(entry.path().filename());
    }
  }
  ASSERT_GE(fd, 0);
  const int real = dup(fd);
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(dup2(full, fd), 0);
  EXPECT_EQ(worker.Flush().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(worker.Add({R"({"text":"second"})"}, 1).ok());
  EXPECT_TRUE(worker.archiver->Full());
  EXPECT_EQ(worker.Flush().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(stage_.Files(), IsEmpty());
  ASSERT_GE(dup2(real, fd), 0);
  ASSERT_TRUE(worker.Flush().ok());
  EXPECT_THAT(Offsets(), ElementsAre("0|0", "0|1"));
  close(real);
  close(full);
}

TEST_F(ArchiverTest, ARecordWithoutValueIsARow) {
  stage_.AddField("a", v1::FIELD_TYPE_LONG, true);
  Worker worker(stage_, At(-1, 9));
  const Record tombstone{
      .key = "k\xff", .timestamp_ms = kNoon, .has_key = true, .has_value = false};
  ASSERT_TRUE(worker.archiver->Add(Batch("tx", {tombstone}, nullptr), &worker.dead).ok());
  ASSERT_TRUE(worker.Flush().ok());
  EXPECT_THAT(ReadParquet(stage_.Folder() + "/" + *stage_.Files().begin()).rows,
              ElementsAre("null|null|k\xEF\xBF\xBD|0|0|2026-11-02 12:00:00.000Z"));
}

TEST_F(ArchiverTest, PipeShowsTheRows) {
  stage_.AddField("a", v1::FIELD_TYPE_LONG);
  const runtime::StageContext context = stage_.Context();
  Archiver archiver(context, *stage_.topic);
  std::string out;
  std::vector<DeadLetter> dead;
  const Batch batch = Batch::FromValues("stdin", {R"({"a":1,"b":2})", R"({"a":"x"})"}, 0, kNoon);
  ASSERT_TRUE(archiver.Pipe(batch, &out, &dead).ok());
  EXPECT_EQ(out, R"({"a":1,"_extra":"{\"b\":2}","_key":null,"_partition":0,"_offset":0,)"
                 R"("_timestamp":"2026-11-02T12:00:00Z"})"
                 "\n");
  EXPECT_EQ(dead.size(), 1u);
  EXPECT_FALSE(fs::exists(stage_.Folder()));
}

TEST_F(ArchiverTest, AFieldWithTheNameOfOneOfOurColumnsIsAManifestError) {
  stage_.AddField("_offset", v1::FIELD_TYPE_LONG);
  const runtime::StageContext context = stage_.Context();
  EXPECT_EQ(MakeArchiver(context).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace levada::archiving
