#include "services/ingest/line_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <vector>

namespace levada::ingest {
namespace {

class LineReaderTest : public testing::Test {
 protected:
  LineReaderTest() {
    path_ = testing::TempDir() + "/line_reader_XXXXXX";
    fd_ = mkstemp(path_.data());
  }
  ~LineReaderTest() override {
    close(fd_);
    unlink(path_.c_str());
  }
  void Append(std::string_view bytes) {
    ASSERT_EQ(write(fd_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  std::string path_;
  int fd_ = -1;
};

TEST_F(LineReaderTest, LinesAndTheirOffsets) {
  Append("one\n\nthree\nfo");
  LineReader reader(100);
  reader.Start(fd_, 0);
  Line line;
  ASSERT_TRUE(*reader.Next(&line));
  EXPECT_EQ(line.text, "one");
  EXPECT_EQ(line.end, 4);
  ASSERT_TRUE(*reader.Next(&line));
  EXPECT_EQ(line.text, "");
  ASSERT_TRUE(*reader.Next(&line));
  EXPECT_EQ(line.text, "three");
  EXPECT_EQ(line.offset, 5);
  EXPECT_FALSE(*reader.Next(&line));
  Append("ur\n");
  ASSERT_TRUE(*reader.Next(&line));
  EXPECT_EQ(line.text, "four");
  EXPECT_EQ(line.offset, 11);
  EXPECT_EQ(line.end, 16);
  EXPECT_FALSE(*reader.Next(&line));
  EXPECT_FALSE(reader.Rest(&line));
}

TEST_F(LineReaderTest, RestIsTheLineWithoutALineFeed) {
  Append("one\ntwo");
  LineReader reader(100);
  reader.Start(fd_, 4);
  Line line;
  EXPECT_FALSE(*reader.Next(&line));
  ASSERT_TRUE(reader.Rest(&line));
  EXPECT_EQ(line.text, "two");
  EXPECT_EQ(line.end, 7);
  EXPECT_FALSE(reader.Rest(&line));
}

TEST_F(LineReaderTest, LongLinesAreCutAndTheNextOneIsWhole) {
  for (const size_t size : {101u, 70'000u, 300'000u, 5'000'000u}) {
    ASSERT_EQ(ftruncate(fd_, 0), 0);
    lseek(fd_, 0, SEEK_SET);
    Append(std::string(size, 'x') + "\nnext\n" + std::string(size, 'y'));
    LineReader reader(100);
    reader.Start(fd_, 0);
    Line line;
    ASSERT_TRUE(*reader.Next(&line));
    EXPECT_TRUE(line.cut);
    EXPECT_EQ(line.size, static_cast<int64_t>(size));
    EXPECT_EQ(line.text, std::string(std::min(size, LineReader::kKeptBytes), 'x')) << size;
    ASSERT_TRUE(*reader.Next(&line));
    EXPECT_FALSE(line.cut);
    EXPECT_EQ(line.text, "next");
    EXPECT_EQ(line.offset, static_cast<int64_t>(size) + 1);
    EXPECT_FALSE(*reader.Next(&line));
    ASSERT_TRUE(reader.Rest(&line));
    EXPECT_TRUE(line.cut);
    EXPECT_EQ(line.size, static_cast<int64_t>(size));
  }
}

// Against the plain way, with lengths around the limit and the size of a read.
TEST_F(LineReaderTest, AgreesWithASimpleSplit) {
  std::mt19937 random(7);
  std::vector<std::string> wanted;
  for (int i = 0; i < 400; ++i) {
    const size_t sizes[] = {random() % 5, 100 + random() % 3, random() % 400'000, 262'143, 262'144};
    wanted.push_back(std::string(sizes[random() % 5], static_cast<char>('a' + i % 26)));
    Append(wanted.back() + "\n");
  }
  LineReader reader(100'000);
  reader.Start(fd_, 0);
  Line line;
  int64_t offset = 0;
  for (const std::string& want : wanted) {
    ASSERT_TRUE(*reader.Next(&line));
    ASSERT_EQ(line.offset, offset);
    ASSERT_EQ(line.size, static_cast<int64_t>(want.size()));
    ASSERT_EQ(line.cut, want.size() > 100'000);
    ASSERT_EQ(line.text, line.cut ? want.substr(0, LineReader::kKeptBytes) : want);
    offset += line.size + 1;
    ASSERT_EQ(line.end, offset);
  }
  EXPECT_FALSE(*reader.Next(&line));
}

}  // namespace
}  // namespace levada::ingest
