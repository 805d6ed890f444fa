#include "services/archiving/commit_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>

#include "core/base/strings.h"
#include "services/archiving/disk.h"
#include "services/archiving/testing.h"

namespace levada::archiving {
namespace {

namespace fs = std::filesystem;

class CommitLogTest : public ::testing::Test {
 protected:
  std::unique_ptr<CommitLog> Open() {
    auto log = std::make_unique<CommitLog>(folder_.path().string());
    const absl::Status opened = log->Open();
    EXPECT_TRUE(opened.ok()) << opened;
    return log;
  }

  // A commit of one file that has been written and not been published.
  static Commit WithFile(const CommitLog& log, int64_t version, const std::string& name) {
    Commit commit{.version = version, .owner = log.owner(), .time = "now"};
    commit.files.push_back({"date=2026-11-02/" + name, log.temp_folder() + "/" + name, 3, 4});
    std::ofstream(log.FullPath(commit.files[0].temp)) << "data";
    return commit;
  }

  bool Exists(const std::string& below) const { return fs::exists(folder_.path() / below); }

  TestFolder folder_;
};

TEST_F(CommitLogTest, ACommitIsReadAsItWasWritten) {
  Commit commit{.version = 7, .owner = "a\"b", .time = "2026-11-02T08:00:00Z"};
  commit.offsets["default/p/s:t"][3] = {123, 456, UINT64_MAX};
  commit.offsets["other"][0] = {};
  commit.columns = {{"a", ColumnType::kDouble}, {"ü", ColumnType::kAny}};
  commit.files = {{"date=2026-11-02/x.parquet", "_levada/temp/o/1.tmp", 10, 20}};
  const auto read = ParseCommit(ToJson(commit));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), ToJson(commit));
  EXPECT_EQ(read->offsets, commit.offsets);
  EXPECT_EQ(read->columns, commit.columns);
}

TEST_F(CommitLogTest, WhatIsNoCommitIsRefused) {
  const std::string good = ToJson({.version = 1, .owner = "o", .time = "t"});
  for (size_t cut = 0; cut + 2 < good.size(); ++cut) {
    EXPECT_FALSE(ParseCommit(good.substr(0, cut)).ok()) << cut;
  }
  for (const char* text : {"null", "[]", "{}", R"({"version":"1"})", R"({"version":1,"owner":"o",
      "time":"t","offsets":{"x":{"y":{}}},"columns":[],"files":[]})",
                           R"({"version":1,"owner":"o",
      "time":"t","offsets":{},"columns":[7],"files":[]})"}) {
    EXPECT_FALSE(ParseCommit(text).ok()) << text;
  }
}

TEST_F(CommitLogTest, ANumberIsTakenOnce) {
  auto one = Open();
  auto two = Open();
  EXPECT_EQ(one->Newest()->version, 0);
  EXPECT_TRUE(one->Create({.version = 1, .owner = "one", .time = "t"}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(two->Create({.version = 1, .owner = "two", .time = "t"})));
  EXPECT_TRUE(two->Create({.version = 2, .owner = "two", .time = "t"}).ok());
  EXPECT_EQ(one->Newest()->owner, "two");
}

TEST_F(CommitLogTest, FilesAppearWithTheCommitAndNotBefore) {
  auto log = Open();
  const Commit commit = WithFile(*log, 1, "x");
  ASSERT_TRUE(log->Create(commit).ok());
  EXPECT_FALSE(Exists("date=2026-11-02/x"));
  ASSERT_TRUE(log->Publish(commit).ok());
  EXPECT_TRUE(Exists("date=2026-11-02/x"));
  EXPECT_TRUE(log->Publish(commit).ok());  // again: nothing to do
}

TEST_F(CommitLogTest, WhatADeadOwnerCommittedIsPublishedAndWhatItDidNotIsRemoved) {
  const pid_t child = fork();
  if (child == 0) {
    auto dead = Open();
    const bool created = dead->Create(WithFile(*dead, 1, "committed")).ok();
    WithFile(*dead, 2, "only-written");
    _exit(created ? 0 : 1);  // no destructor, as with kill -9
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  auto living = Open();
  WithFile(*living, 2, "being-written");
  auto log = Open();
  const std::string owner = log->Newest()->owner;
  EXPECT_TRUE(Exists("_levada/temp/" + owner + "/only-written"));
  ASSERT_TRUE(log->Recover().ok());
  EXPECT_TRUE(Exists("date=2026-11-02/committed"));
  EXPECT_FALSE(Exists("_levada/temp/" + owner));
  EXPECT_FALSE(Exists("_levada/leases/" + owner));
  EXPECT_TRUE(Exists(living->temp_folder() + "/being-written"));
}

TEST_F(CommitLogTest, AnOwnerThatEndsInGoodOrderLeavesOnlyItsData) {
  auto log = Open();
  ASSERT_TRUE(log->Create(WithFile(*log, 1, "committed")).ok());
  WithFile(*log, 2, "only-written");
  log.reset();
  EXPECT_TRUE(Exists("date=2026-11-02/committed"));
  EXPECT_TRUE(fs::is_empty(folder_.path() / "_levada/temp"));
  EXPECT_TRUE(fs::is_empty(folder_.path() / "_levada/leases"));
}

TEST_F(CommitLogTest, OldCommitsAreForgottenWhenTheirFilesHaveTheirNames) {
  auto log = Open();
  ASSERT_TRUE(log->Create(WithFile(*log, 1, "first")).ok());
  for (int version = 2; version <= 103; ++version) {
    ASSERT_TRUE(log->Create({.version = version, .owner = "o", .time = "t"}).ok());
  }
  log->Prune(103);
  EXPECT_TRUE(Exists("date=2026-11-02/first"));
  EXPECT_FALSE(Exists("_levada/commits/00000000000000000003.json"));
  EXPECT_TRUE(Exists("_levada/commits/00000000000000000004.json"));
  EXPECT_EQ(log->Newest()->version, 103);
}

TEST_F(CommitLogTest, ADamagedCommitIsSaidAndNotPassedOver) {
  auto log = Open();
  std::ofstream(folder_.path() / "_levada/commits/00000000000000000001.json") << "{\"version\":";
  EXPECT_EQ(log->Newest().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(CommitLogTest, AFolderThatCannotBeMadeIsWaitedFor) {
  std::ofstream(folder_.path() / "file");
  CommitLog log((folder_.path() / "file" / "below").string());
  EXPECT_EQ(log.Open().code(), absl::StatusCode::kUnavailable);
}

TEST(TempFileTest, WhatAFullDiskDoesNotTakeIsKeptUntilItDoes) {
  TestFolder folder;
  const std::string path = (folder.path() / "x").string();
  auto file = TempFile::Create(path);
  ASSERT_TRUE(file.ok()) << file.status();
  // The file's descriptor, made one of a device that is always full.
  int fd = -1;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    if (fs::read_symlink(entry, ignored) == path) fd = std::stoi(entry.path().filename());
  }
  ASSERT_GE(fd, 0);
  const int real = dup(fd);
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(dup2(full, fd), 0);
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string line = base::StrCat(i, std::string(1000, 'x'), "\n");
    (*file)->Append(line);
    expected += line;
  }
  EXPECT_TRUE((*file)->stalled());
  EXPECT_EQ((*file)->Sync().code(), absl::StatusCode::kUnavailable);
  ASSERT_GE(dup2(real, fd), 0);
  EXPECT_TRUE((*file)->Sync().ok());
  EXPECT_FALSE((*file)->stalled());
  EXPECT_EQ((*file)->size(), expected.size());
  EXPECT_EQ(*ReadWhole(path), expected);
  close(real);
  close(full);
}

}  // namespace
}  // namespace levada::archiving
