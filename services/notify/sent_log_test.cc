#include "services/notify/sent_log.h"

#include <gtest/gtest.h>

namespace levada::notify {
namespace {

SentEntry Attempt() {
  SentEntry entry;
  entry.covers = {{.partition = 2, .epoch = 7, .offsets = {17, 18, 21}},
                  {.partition = 0, .epoch = 8, .offsets = {5}}};
  entry.notification = {
      .id = "x@y", .subject = "a \"b\"\n", .body = "ü\n", .events = R"({"a":[1]},{"b":"]"})"};
  return entry;
}

TEST(SentLogTest, AnAttemptKeepsAllThatARepeatNeeds) {
  const SentEntry entry = Attempt();
  EXPECT_EQ(EncodeSent(entry),
            R"({"state":"attempt","covers":[{"partition":2,"epoch":7,"offsets":[17,1,3]},)"
            R"({"partition":0,"epoch":8,"offsets":[5]}],"subject":"a \"b\"\n","body":"ü\n",)"
            R"("events":[{"a":[1]},{"b":"]"}]})");
  const auto read = DecodeSent("x@y", EncodeSent(entry));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->state, SentState::kAttempt);
  EXPECT_EQ(read->home(), 2);
  ASSERT_EQ(read->covers.size(), 2u);
  EXPECT_EQ(read->covers[0].epoch, 7);
  EXPECT_EQ(read->covers[0].offsets, (std::vector<int64_t>{17, 18, 21}));
  EXPECT_EQ(read->covers[1].offsets, (std::vector<int64_t>{5}));
  EXPECT_EQ(read->notification.id, "x@y");
  EXPECT_EQ(read->notification.subject, entry.notification.subject);
  EXPECT_EQ(read->notification.body, entry.notification.body);
  EXPECT_EQ(read->notification.events, entry.notification.events);
}

TEST(SentLogTest, WhatIsOverKeepsNoText) {
  SentEntry entry = Attempt();
  entry.covers.resize(1);
  entry.state = SentState::kSent;
  EXPECT_EQ(EncodeSent(entry),
            R"({"state":"sent","covers":[{"partition":2,"epoch":7,"offsets":[17,1,3]}]})");
  EXPECT_EQ(DecodeSent("x", EncodeSent(entry))->state, SentState::kSent);
  entry.state = SentState::kFailed;
  entry.error = "550 no";
  EXPECT_EQ(DecodeSent("x", EncodeSent(entry))->state, SentState::kFailed);
  EXPECT_EQ(DecodeSent("x", EncodeSent(entry))->error, "550 no");
}

TEST(SentLogTest, WhatItDidNotWriteIsRefused) {
  for (const char* value :
       {"", "{}", "[]", "null", R"({"state":"sent"})", R"({"state":"sent","covers":[]})",
        R"({"state":"sent","covers":[{}]})", R"({"state":"done","covers":[]})",
        R"({"state":"sent","covers":[{"partition":0,"epoch":1,"offsets":[]}]})",
        R"({"state":"sent","covers":[{"partition":0,"epoch":1,"offsets":["1"]}]})",
        R"({"state":"sent","covers":[7]})", R"({"state":1,"covers":[]})"}) {
    const auto read = DecodeSent("x@y", value);
    EXPECT_TRUE(absl::IsDataLoss(read.status())) << value << read.status();
  }
}

TEST(SentLogTest, TheLargestNotificationFitsARecord) {
  SentEntry entry;
  entry.covers.resize(1);
  for (int64_t i = 0; i < 10'000; ++i) entry.covers[0].offsets.push_back(1'000'000 * i);
  entry.notification.subject = std::string(16 << 10, '\x01');
  entry.notification.body = std::string(80 << 10, '\x01');
  entry.notification.events = std::string(256 << 10, ' ');
  EXPECT_LT(EncodeSent(entry).size(), 1'000'000u);
}

}  // namespace
}  // namespace levada::notify
