#include "core/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

namespace levada::base {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class LogTest : public testing::Test {
 protected:
  LogTest() { StartLog({.format = LogFormat::kJson, .fields = {{"service", "scoring"}}}); }

  // What `body` writes to standard error.
  template <typename Body>
  static std::string Written(Body&& body) {
    testing::internal::CaptureStderr();
    body();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, WritesOneJsonObjectALine) {
  const std::string text = Written([] {
    LogInfo("a \"quoted\"\nmessage", {{"topic", std::string("t\x01\xff")},
                                      {"partitions", 6},
                                      {"bytes", size_t{1} << 63},
                                      {"ratio", 0.5},
                                      {"nan", 0.0 / 0.0},
                                      {"ok", true},
                                      {"literal", "x"}});
  });
  ASSERT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  const json line = json::parse(text);
  EXPECT_THAT(line["ts"].get<std::string>(), testing::MatchesRegex("....-..-..T..:..:..\\....Z"));
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["msg"], "a \"quoted\"\nmessage");
  EXPECT_EQ(line["service"], "scoring");
  EXPECT_EQ(line["topic"], "t\x01\uFFFD");
  EXPECT_EQ(line["partitions"], 6);
  EXPECT_EQ(line["bytes"], uint64_t{1} << 63);
  EXPECT_EQ(line["ratio"], 0.5);
  EXPECT_TRUE(line["nan"].is_null());
  EXPECT_EQ(line["ok"], true);
  EXPECT_EQ(line["literal"], "x");
}

TEST_F(LogTest, KeepsToItsLevel) {
  EXPECT_EQ(Written([] { LogDebug("no"); }), "");
  SetLogLevel(LogLevel::kError);
  EXPECT_FALSE(LogEnabled(LogLevel::kWarn));
  EXPECT_EQ(Written([] { LogWarn("no"); }), "");
  EXPECT_EQ(json::parse(Written([] { LogError("yes"); }))["level"], "error");
  SetLogLevel(LogLevel::kDebug);
  EXPECT_EQ(json::parse(Written([] { LogDebug("yes"); }))["level"], "debug");
}

TEST_F(LogTest, WritesTextForPeople) {
  StartLog({.format = LogFormat::kText, .fields = {{"stage", "detect"}}});
  EXPECT_THAT(Written([] {
                LogWarn("consumer paused", {{"why", "queue full"}, {"n", 3}});
              }),
              testing::EndsWith("Z warn  consumer paused stage=detect why=\"queue full\" n=3\n"));
}

TEST_F(LogTest, HidesSecrets) {
  HideInLogs("hunter2\"\n");
  HideInLogs("s3cret");
  HideInLogs("abc");  // too short to look for
  const std::string text = Written([] {
    LogError(
        "cannot log in with s3cret",
        {{"url", "https://u:s3cret@host/s3cret"}, {"password", "hunter2\"\n"}, {"word", "abc"}});
  });
  EXPECT_THAT(text, Not(HasSubstr("s3cret")));
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  const json line = json::parse(text);
  EXPECT_EQ(line["url"], "https://u:***@host/***");
  EXPECT_EQ(line["password"], "***");
  EXPECT_EQ(line["word"], "abc");
}

TEST_F(LogTest, LimitsWhatRepeats) {
  LogLimiter limiter(std::chrono::hours(1));
  EXPECT_THAT(Written([&] {
                for (int i = 0; i < 1000; ++i) LogEvery(limiter, LogLevel::kWarn, "bad record");
              }),
              testing::MatchesRegex("[^\n]*bad record[^\n]*\n"));

  LogLimiter fast(std::chrono::milliseconds(20));
  const std::string text = Written([&] {
    for (int i = 0; i < 5; ++i) LogEvery(fast, LogLevel::kWarn, "bad record");
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    LogEvery(fast, LogLevel::kWarn, "bad record");
  });
  EXPECT_THAT(text, HasSubstr("\"suppressed\":4"));
}

TEST(ParseLogLevel, TakesTheFourNames) {
  EXPECT_EQ(*ParseLogLevel("warn"), LogLevel::kWarn);
  EXPECT_THAT(ParseLogLevel("trace").status().message(), HasSubstr("debug, info, warn or error"));
  EXPECT_EQ(*ParseLogFormat("json"), LogFormat::kJson);
  EXPECT_FALSE(ParseLogFormat("xml").ok());
}

}  // namespace
}  // namespace levada::base
