#include "cli/target/registry.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/base/strings.h"

namespace levada::cli {
namespace {

namespace fs = std::filesystem;

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() : root_(testing::TempDir() + base::StrCat("/levada-runs-", getpid())) {
    fs::create_directories(root_);
  }
  ~RegistryTest() override { fs::remove_all(root_); }

  RunRecord Record(const std::string& pipeline) const {
    RunRecord run;
    run.pipeline = pipeline;
    run.name_space = "shop";
    run.started = "2024-03-01T12:34:56Z";
    run.state_dir = root_ + "/state-" + pipeline;
    run.brokers = "kafka:9092";
    run.stages = {{.name = "detect", .kind = "scoring"}};
    fs::create_directories(run.state_dir);
    return run;
  }
  std::string folder() const { return root_ + "/runs"; }

  // Registers in another process, which ends as if killed.
  void LeaveBehind(const RunRecord& record) const {
    const pid_t child = fork();
    if (child == 0) {
      auto* const registration = new Registration(folder());
      _exit(registration->Put(record).ok() ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }

  const std::string root_;
};

TEST_F(RegistryTest, ARunIsFoundWhileItRuns) {
  {
    Registration registration(folder());
    ASSERT_TRUE(registration.Put(Record("orders")).ok());
    const std::vector<RunRecord> runs = ListRuns(folder());
    ASSERT_EQ(runs.size(), 1U);
    EXPECT_EQ(runs[0].pipeline, "orders");
    EXPECT_EQ(runs[0].name_space, "shop");
    EXPECT_EQ(runs[0].pid, getpid());
    EXPECT_EQ(runs[0].brokers, "kafka:9092");
    EXPECT_EQ(runs[0].log_file("detect"), runs[0].state_dir + "/detect.log");
    EXPECT_TRUE(runs[0].alive);
  }
  EXPECT_TRUE(ListRuns(folder()).empty());
}

TEST_F(RegistryTest, TellsWhatChangedMeanwhile) {
  Registration registration(folder());
  RunRecord record = Record("orders");
  ASSERT_TRUE(registration.Put(record).ok());
  record.stages[0].restarts = 2;
  record.stages[0].last_end = "killed by SIGKILL";
  ASSERT_TRUE(registration.Put(record).ok());
  const std::vector<RunRecord> runs = ListRuns(folder());
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].stages[0].restarts, 2);
  EXPECT_EQ(runs[0].stages[0].last_end, "killed by SIGKILL");
}

TEST_F(RegistryTest, OneThatWasKilledIsKnownNotToRun) {
  LeaveBehind(Record("orders"));
  const std::vector<RunRecord> runs = ListRuns(folder());
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_FALSE(runs[0].alive);
}

TEST_F(RegistryTest, AnotherProcessOfTheSameNumberIsNotTheRun) {
  Registration registration(folder());
  ASSERT_TRUE(registration.Put(Record("orders")).ok());
  const std::string file = fs::directory_iterator(folder())->path();
  std::string text;
  std::getline(std::ifstream(file), text, '\0');
  const std::string ticks = base::StrCat("\"start_ticks\": ", StartTicksOf(getpid()));
  ASSERT_NE(text.find(ticks), std::string::npos);
  text.replace(text.find(ticks), ticks.size(), "\"start_ticks\": 1");
  std::ofstream(file) << text;
  ASSERT_EQ(ListRuns(folder()).size(), 1U);
  EXPECT_FALSE(ListRuns(folder())[0].alive);
}

TEST_F(RegistryTest, WhatAKilledRunLeftGoesWithTheNextOfItsFolder) {
  LeaveBehind(Record("orders"));
  LeaveBehind(Record("other"));
  Registration registration(folder());
  ASSERT_TRUE(registration.Put(Record("orders")).ok());
  const std::vector<RunRecord> runs = ListRuns(folder());
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_TRUE(runs[0].alive);
  EXPECT_EQ(runs[1].pipeline, "other");
}

TEST_F(RegistryTest, ARunWhoseFolderIsGoneIsForgotten) {
  LeaveBehind(Record("orders"));
  fs::remove_all(root_ + "/state-orders");
  EXPECT_TRUE(ListRuns(folder()).empty());
}

TEST_F(RegistryTest, ABrokenFileHidesNoOther) {
  Registration registration(folder());
  ASSERT_TRUE(registration.Put(Record("orders")).ok());
  std::ofstream(folder() + "/a.json") << "{\"pipeline\": 7}";
  std::ofstream(folder() + "/b.json") << "{";
  EXPECT_EQ(ListRuns(folder()).size(), 1U);
}

TEST_F(RegistryTest, AFolderThatIsALinkIsNotUsed) {
  fs::create_directories(root_ + "/elsewhere");
  fs::create_directory_symlink(root_ + "/elsewhere", folder());
  Registration registration(folder());
  EXPECT_TRUE(absl::IsPermissionDenied(registration.Put(Record("orders"))));
}

TEST(StartTicksTest, OnlyOfProcessesThatRun) {
  EXPECT_GT(StartTicksOf(getpid()), 0U);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  siginfo_t info{};
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_EQ(StartTicksOf(child), 0U) << "it has ended, and its parent has not looked yet";
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace levada::cli
