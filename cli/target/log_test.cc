#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "cli/target/log_file.h"
#include "cli/target/log_line.h"
#include "core/base/strings.h"

namespace levada::cli {
namespace {

using Lines = std::vector<std::string>;

TEST(LogLineTest, SaysWhatHappenedAndLeavesOutWhatStandsBeforeEachLine) {
  EXPECT_EQ(Readable(R"({"ts":"2024-03-01T12:34:56.789Z","level":"warn","msg":"kafka away",)"
                     R"("service":"scoring","pipeline":"shop","stage":"detect",)"
                     R"("reason":"broker down","tries":3,"code":"E1"})"),
            R"(2024-03-01T12:34:56.789Z WARN  kafka away reason="broker down" tries=3 code=E1)");
}

TEST(LogLineTest, LeavesWhatIsNoLogLineAsItIs) {
  for (const std::string line : {"Segmentation fault", "", "{\"a\":1}", "{broken", "{}"}) {
    EXPECT_EQ(Readable(line), line);
  }
}

TEST(LogLineTest, KnowsTheTime) {
  EXPECT_EQ(TimeOf(R"({"ts":"1970-01-01T00:00:02.000Z","level":"info","msg":"x"})"), 2'000'000);
  EXPECT_EQ(TimeOf("no time"), -1);
  EXPECT_EQ(TimeOf(R"({"ts":"soon","level":"info","msg":"x"})"), -1);
}

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() : path_(testing::TempDir() + "/levada-log-" + std::to_string(getpid())) {}
  ~LogFileTest() override { std::filesystem::remove(path_); }

  void Append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }
  static Lines Read(LogFile& file) {
    Lines lines;
    file.Read([&](std::string_view line) { lines.emplace_back(line); });
    return lines;
  }

  const std::string path_;
};

TEST_F(LogFileTest, ReadsWhatIsThereThenWhatIsNew) {
  LogFile file(path_, -1);
  EXPECT_EQ(Read(file), Lines());  // not there yet
  Append("one\ntwo\nthr");
  EXPECT_EQ(Read(file), (Lines{"one", "two"}));
  Append("ee\n");
  EXPECT_EQ(Read(file), (Lines{"three"}));
  EXPECT_EQ(Read(file), Lines());
}

TEST_F(LogFileTest, BeginsWithTheLastLines) {
  Append("one\ntwo\nthree\n");
  for (const auto& [tail, lines] :
       std::vector<std::pair<int, Lines>>{{0, {}},
                                          {1, {"three"}},
                                          {2, {"two", "three"}},
                                          {3, {"one", "two", "three"}},
                                          {9, {"one", "two", "three"}}}) {
    LogFile file(path_, tail);
    EXPECT_EQ(Read(file), lines) << tail;
  }
}

TEST_F(LogFileTest, FindsTheLastLinesOfALongFile) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) base::StrAppend(&text, "line ", i, "\n");
  Append(text);
  LogFile file(path_, 20'000);
  const Lines lines = Read(file);
  ASSERT_EQ(lines.size(), 20'000U);
  EXPECT_EQ(lines.front(), "line 30000");
  EXPECT_EQ(lines.back(), "line 49999");
}

TEST_F(LogFileTest, BeginsAnewWithAFileThatTookItsPlace) {
  Append("one\n");
  LogFile file(path_, 1);
  EXPECT_EQ(Read(file), Lines{"one"});
  std::filesystem::remove(path_);
  EXPECT_EQ(Read(file), Lines());
  Append("two\nthree\n");
  EXPECT_EQ(Read(file), (Lines{"two", "three"}));
  std::ofstream(path_, std::ios::trunc) << "4\n";
  EXPECT_EQ(Read(file), Lines{"4"});
}

}  // namespace
}  // namespace levada::cli
