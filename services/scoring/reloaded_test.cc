#include "services/scoring/reloaded.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "services/scoring/read_file.h"

namespace levada::scoring {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Files whose content is a number.
class ReloadedTest : public testing::Test {
 protected:
  ReloadedTest()
      : folder_(testing::TempDir() + "/reloaded-" +
                testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ReloadedTest() override {
    file_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  void Start(const std::string& name) {
    auto file = Reloaded<int>::Start(
        folder_ / name,
        [this](const std::string& path) -> absl::StatusOr<std::unique_ptr<int>> {
          const auto text = ReadFile(path, 100);
          if (!text.ok()) return text.status();
          if (text->empty()) return absl::InvalidArgumentError("is empty");
          ++loads_;
          return std::make_unique<int>(std::stoi(*text));
        },
        [this](const absl::Status& status) { ++(status.ok() ? loaded_ : failed_); },
        milliseconds(5));
    ASSERT_TRUE(file.ok()) << file.status();
    file_ = *std::move(file);
  }
  bool Await(const std::function<bool()>& reached) {
    for (int i = 0; i < 2000; ++i) {
      file_->Turn();
      if (reached()) return true;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return false;
  }
  bool AwaitValue(int value) {
    return Await([&] { return file_->current() == value; });
  }

  const std::filesystem::path folder_;
  std::atomic<int> loads_{0};
  std::atomic<int> loaded_{0};
  std::atomic<int> failed_{0};
  std::unique_ptr<Reloaded<int>> file_;
};

TEST_F(ReloadedTest, ReplacedOrWrittenOver) {
  Write("a", "1");
  Start("a");
  EXPECT_EQ(file_->current(), 1);
  Write("new", "2");
  std::filesystem::rename(folder_ / "new", folder_ / "a");
  EXPECT_TRUE(AwaitValue(2));
  Write("a", "33");
  EXPECT_TRUE(AwaitValue(33));
  EXPECT_EQ(loaded_, 2);
  EXPECT_EQ(failed_, 0);
  EXPECT_EQ(loads_, 3);  // not again where nothing changes
}

// As a ConfigMap's volume is brought up to date: nothing but a link above the file changes.
TEST_F(ReloadedTest, ALinkAboveTheFileIsSwapped) {
  std::filesystem::create_directories(folder_ / "..1");
  std::filesystem::create_directories(folder_ / "..2");
  Write("..1/a", "1");
  Write("..2/a", "2");
  std::filesystem::create_symlink("..1", folder_ / "..data");
  std::filesystem::create_symlink("..data/a", folder_ / "a");
  Start("a");
  EXPECT_EQ(file_->current(), 1);
  std::filesystem::create_symlink("..2", folder_ / "..data_tmp");
  std::filesystem::rename(folder_ / "..data_tmp", folder_ / "..data");
  EXPECT_TRUE(AwaitValue(2));
}

TEST_F(ReloadedTest, WhatCannotBeLoadedLeavesWhatThereWas) {
  Write("a", "1");
  Start("a");
  Write("a", "");
  EXPECT_TRUE(Await([&] { return failed_ == 1; }));
  EXPECT_EQ(file_->current(), 1);
  std::filesystem::remove(folder_ / "a");
  EXPECT_TRUE(Await([&] { return failed_ == 2; }));
  EXPECT_EQ(file_->current(), 1);
  Write("a", "5");
  EXPECT_TRUE(AwaitValue(5));
  EXPECT_EQ(failed_, 2);  // each change once, not each look
}

TEST_F(ReloadedTest, NothingChangesBeforeTurn) {
  Write("a", "1");
  Start("a");
  int& first = file_->current();
  for (int i = 2; i < 5; ++i) {
    Write("new", std::string(static_cast<size_t>(i), '0') + std::to_string(i));
    std::filesystem::rename(folder_ / "new", folder_ / "a");
    while (loaded_ < i - 1) std::this_thread::sleep_for(milliseconds(1));
    EXPECT_EQ(first, 1);
    EXPECT_EQ(&file_->current(), &first);
  }
  EXPECT_TRUE(AwaitValue(4));
}

TEST_F(ReloadedTest, TheFirstTimeItMustBeThere) {
  const auto file = Reloaded<int>::Start(
      folder_ / "none",
      [](const std::string& path) -> absl::StatusOr<std::unique_ptr<int>> {
        return ReadFile(path, 1).status();
      },
      [](const absl::Status&) {});
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("No such file"));
}

}  // namespace
}  // namespace levada::scoring
