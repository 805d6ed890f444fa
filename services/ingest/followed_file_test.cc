#include "services/ingest/followed_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace levada::ingest {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class FollowedFileTest : public testing::Test {
 protected:
  FollowedFileTest() {
    std::string name = testing::TempDir() + "/followed_XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = (folder_ / "events.ndjson").string();
  }
  ~FollowedFileTest() override { fs::remove_all(folder_); }

  void Append(const std::string& text, const std::string& path = "") {
    std::ofstream(path.empty() ? path_ : path, std::ios::app) << text;
  }
  void Write(const std::string& text) { std::ofstream(path_, std::ios::trunc) << text; }

  std::unique_ptr<FollowedFile> Open(const Position& from = {}, bool follow = true) {
    auto file = std::make_unique<FollowedFile>(
        FollowedFile::Options{.path = path_, .follow = follow, .rotation_grace = milliseconds(50)});
    const absl::Status status = file->Open(from);
    EXPECT_TRUE(status.ok()) << status;
    return file;
  }

  static std::vector<std::string> Read(FollowedFile& file) {
    std::vector<std::string> lines;
    Line line;
    for (;;) {
      const auto got = file.Next(&line);
      EXPECT_TRUE(got.ok()) << got.status();
      if (!got.ok() || !*got) return lines;
      lines.emplace_back(line.text);
    }
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(FollowedFileTest, GoesOnWhereItStood) {
  Append("1\n2\n3\n");
  Position position;
  {
    auto file = Open();
    Line line;
    ASSERT_TRUE(*file->Next(&line));
    ASSERT_TRUE(*file->Next(&line));
    position = *file->PositionNow();
  }
  EXPECT_EQ(position.offset, 4);
  EXPECT_EQ(*DecodePosition(Encode(position)), position);
  Append("4\n");
  EXPECT_THAT(Read(*Open(position)), ElementsAre("3", "4"));
}

TEST_F(FollowedFileTest, ReadsToTheEndOnce) {
  Append("1\n2");
  auto file = Open({}, false);
  EXPECT_THAT(Read(*file), ElementsAre("1", "2"));
  EXPECT_TRUE(file->finished());
  EXPECT_THAT(Read(*Open(*file->PositionNow(), false)), IsEmpty());
}

TEST_F(FollowedFileTest, FollowingWaitsForTheLineFeed) {
  Append("1\n2");
  auto file = Open();
  EXPECT_THAT(Read(*file), ElementsAre("1"));
  EXPECT_EQ(file->PositionNow()->offset, 2);
  Append("2\n");
  EXPECT_THAT(Read(*file), ElementsAre("22"));
  EXPECT_FALSE(file->finished());
}

TEST_F(FollowedFileTest, WaitsForAFileThatIsNotThere) {
  auto file = Open();
  EXPECT_THAT(Read(*file), IsEmpty());
  EXPECT_EQ(file->PositionNow()->offset, 0);
  Append("1\n");
  EXPECT_THAT(Read(*file), ElementsAre("1"));
  FollowedFile once({.path = path_ + ".none"});
  EXPECT_TRUE(absl::IsNotFound(once.Open({})));
  FollowedFile folder({.path = folder_.string()});
  EXPECT_TRUE(absl::IsInvalidArgument(folder.Open({})));
}

TEST_F(FollowedFileTest, RotationLosesNothing) {
  Append("1\n");
  auto file = Open();
  EXPECT_THAT(Read(*file), ElementsAre("1"));
  fs::rename(path_, path_ + ".1");
  Append("2\n", path_ + ".1");
  EXPECT_THAT(Read(*file), ElementsAre("2"));
  Append("new 1\n");
  EXPECT_THAT(Read(*file), IsEmpty()) << "the writer of the old file may not be done";
  Append("3\nlast", path_ + ".1");
  EXPECT_THAT(Read(*file), ElementsAre("3"));
  std::this_thread::sleep_for(milliseconds(80));
  EXPECT_THAT(Read(*file), ElementsAre("last", "new 1"));
  EXPECT_EQ(file->PositionNow()->offset, 6);
}

TEST_F(FollowedFileTest, RotationWhileNobodyRead) {
  Append("1\n2\n");
  Position position;
  {
    auto file = Open();
    Line line;
    ASSERT_TRUE(*file->Next(&line));
    position = *file->PositionNow();
  }
  fs::rename(path_, path_ + ".1");
  Append("other\n", path_ + ".2");
  Append("new\n");
  EXPECT_THAT(Read(*Open(position)), ElementsAre("2", "new"));
  EXPECT_THAT(Read(*Open(position, false)), ElementsAre("2", "new"));
}

TEST_F(FollowedFileTest, TruncatedWhileRead) {
  Append("1\n2\n3\n");
  auto file = Open();
  EXPECT_THAT(Read(*file), ElementsAre("1", "2", "3"));
  Write("4\n");
  EXPECT_THAT(Read(*file), ElementsAre("4"));
}

TEST_F(FollowedFileTest, RewrittenToMoreThanBefore) {
  Append("1\n2\n");
  auto file = Open();
  EXPECT_THAT(Read(*file), ElementsAre("1", "2"));
  Write("a\nb\nc\nd\n");
  EXPECT_THAT(Read(*file), ElementsAre("a", "b", "c", "d"));
}

TEST_F(FollowedFileTest, ReplacedWhileNobodyRead) {
  Append("1\n2\n");
  Position position;
  {
    auto file = Open();
    Read(*file);
    position = *file->PositionNow();
  }
  Write("a\nb\nc\n");
  EXPECT_THAT(Read(*Open(position)), ElementsAre("a", "b", "c"));
  Write("x");  // shorter than the position
  EXPECT_THAT(Read(*Open(position, false)), ElementsAre("x"));
}

TEST_F(FollowedFileTest, CopiedElsewhereIsStillTheSame) {
  Append("1\n2\n");
  auto file = Open();
  Read(*file);
  const Position position = *file->PositionNow();
  fs::copy_file(path_, path_ + ".copy");
  fs::rename(path_ + ".copy", path_);  // another inode, the same content
  Append("3\n");
  EXPECT_THAT(Read(*Open(position)), ElementsAre("3"));
}

TEST(PositionTest, DecodeRefusesWhatItDidNotWrite) {
  for (const std::string_view bad : {"", "{}", "[]", R"({"offset":"x","head":"0","tail":"0"})",
                                     R"({"offset":1,"head":"zz","tail":"0"})"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(DecodePosition(bad).status())) << bad;
  }
}

}  // namespace
}  // namespace levada::ingest
