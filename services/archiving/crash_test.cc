// kill -9 at every step of a commit, and at random: afterwards each record is in the table exactly
// once, and at no time was a file visible that was not complete.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "services/archiving/archiver.h"
#include "services/archiving/testing.h"

namespace levada::archiving {
namespace {

constexpr int kPartitions = 3;
constexpr int kBatch = 37;
constexpr int kDone = 0;

// What a worker does from start to end: read on where the table ends, commit now and then. Returns
// only when all records of its partitions are in the table.
void Work(TestStage& stage, const std::vector<int32_t>& partitions, int records_each,
          CommitLog::StepHook hook) {
  const runtime::StageContext context = stage.Context();
  Archiver archiver(context, *stage.topic, std::move(hook));
  std::vector<runtime::Assignment> assigned;
  for (const int32_t partition : partitions) {
    assigned.push_back({.partition = partition, .offset = 0, .epoch = 1, .end = records_each});
  }
  if (!archiver.Assign(&assigned).ok()) _exit(2);
  std::vector<DeadLetter> dead;
  std::vector<runtime::Sink::Rejected> rejected;
  int batches = 0;
  for (bool more = true; more;) {
    more = false;
    for (runtime::Assignment& at : assigned) {
      std::vector<Record> records;
      std::vector<std::string> events;
      at.offset = std::max<int64_t>(at.offset, 0);
      for (int i = 0; i < kBatch && at.offset < records_each; ++i, ++at.offset) {
        events.push_back(base::StrCat("{\"p\":", at.partition, ",\"n\":", at.offset, "}"));
        records.push_back({.timestamp_ms = 1'793'620'800'000 + at.offset * 3'600'000,
                           .offset = at.offset,
                           .partition = at.partition});
      }
      for (size_t i = 0; i < records.size(); ++i) records[i].value = events[i];
      more |= at.offset < records_each;
      if (!archiver.Add(Batch("tx", records, nullptr), &dead).ok() || !dead.empty()) _exit(3);
      if (++batches % 3 == 0 && !archiver.Flush(&rejected).ok()) _exit(4);
    }
  }
  if (!archiver.Flush(&rejected).ok()) _exit(5);
}

// Runs `work` in a process of its own; returns its wait status.
pid_t Spawn(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  work();
  _exit(kDone);
}
int WaitFor(pid_t child) {
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

// A process that lives through `steps` steps.
CommitLog::StepHook KillAfter(int steps) {
  return [left = std::make_shared<int>(steps)](std::string_view) {
    if ((*left)-- == 0) raise(SIGKILL);
  };
}

class CrashTest : public ::testing::Test {
 protected:
  CrashTest() {
    stage_.archiving->mutable_ndjson()->set_folder("lake");
    stage_.archiving->mutable_ndjson()->set_compression(v1::COMPRESSION_NONE);
    stage_.archiving->clear_parquet();
  }

  // Every line of every visible file, and how often it is there. Also checks that no file is cut.
  std::map<std::string, int> Lines() const {
    std::map<std::string, int> lines;
    for (const std::string& name : stage_.Files()) {
      EXPECT_TRUE(name.starts_with("date=")) << name;
      std::ifstream file(stage_.Folder() + "/" + name);
      std::stringstream text;
      text << file.rdbuf();
      EXPECT_TRUE(text.str().ends_with('\n')) << name;
      for (std::string line; std::getline(text, line);) ++lines[line];
    }
    return lines;
  }

  void ExpectEachOnce(size_t records) const {
    const std::map<std::string, int> lines = Lines();
    EXPECT_EQ(lines.size(), records);
    for (const auto& [line, count] : lines) EXPECT_EQ(count, 1) << line;
    EXPECT_EQ(stage_.TempFiles(), 0);
  }

  TestFolder data_;
  TestStage stage_{data_.path()};
};

TEST_F(CrashTest, KilledAtEachStepFromAnEmptyFolder) {
  constexpr int kRecords = 250;
  int steps = 0;
  for (bool died = true; died; ++steps) {
    std::filesystem::remove_all(stage_.Folder());
    const int status = WaitFor(Spawn([&] { Work(stage_, {0}, kRecords, KillAfter(steps)); }));
    died = WIFSIGNALED(status);
    ASSERT_TRUE(died || status == kDone);
    ASSERT_EQ(WaitFor(Spawn([&] { Work(stage_, {0}, kRecords, nullptr); })), kDone) << steps;
    ExpectEachOnce(kRecords);
  }
  EXPECT_GT(steps, 15);
}

TEST_F(CrashTest, KilledAgainAndAgainWhileRecoveringToo) {
  constexpr int kRecords = 4000;
  std::mt19937 random(7);
  int status = -1;
  int crashes = 0;
  while (status != kDone) {
    const int steps = static_cast<int>(random() % 12);
    status = WaitFor(Spawn([&] { Work(stage_, {0}, kRecords, KillAfter(steps)); }));
    if (status == kDone) break;
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
    ++crashes;
    for (const auto& [line, count] : Lines()) ASSERT_EQ(count, 1) << line;
  }
  EXPECT_GT(crashes, 10);
  ExpectEachOnce(kRecords);
}

TEST_F(CrashTest, SeveralWorkersKilledAtRandomTimes) {
  constexpr int kRecords = 4000;
  std::mt19937 random(20261102);
  std::map<int32_t, pid_t> running;
  std::set<int32_t> left;
  for (int32_t p = 0; p < kPartitions; ++p) left.insert(p);
  const auto start = [&](int32_t p) {
    running[p] = Spawn([&] { Work(stage_, {p}, kRecords, [](std::string_view) { usleep(300); }); });
  };
  for (const int32_t p : left) start(p);
  int kills = 0;
  while (!left.empty()) {
    usleep(static_cast<useconds_t>(random() % 12'000));
    const auto victim = std::next(left.begin(), static_cast<long>(random() % left.size()));
    const int32_t p = *victim;
    if (kills < 60) kill(running[p], SIGKILL);
    const int status = WaitFor(running[p]);
    if (status == kDone) {
      left.erase(p);
      continue;
    }
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
    ++kills;
    for (const auto& [line, count] : Lines()) ASSERT_EQ(count, 1) << line;
    start(p);
  }
  EXPECT_GT(kills, 5);
  ExpectEachOnce(static_cast<size_t>(kPartitions) * kRecords);
}

}  // namespace
}  // namespace levada::archiving
