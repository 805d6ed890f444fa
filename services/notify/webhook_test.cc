#include "services/notify/webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::notify {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

TEST(WebhookTest, SignsTheTimeAndTheBody) {
  // printf '1700000000.{"id":"x"}' | openssl dgst -sha256 -hmac key
  EXPECT_EQ(WebhookSignature("key", 1'700'000'000, R"({"id":"x"})"),
            "t=1700000000,v1=c275209bfed50f54f9b0d8dafaf250f3f08155fdaadece7fc4d3f5c7e3c8b6ba");
}

TEST(WebhookTest, BodyIsJsonWhateverTheTextHolds) {
  WebhookOptions options;
  options.pipeline = "fraud";
  options.stage = "alert";
  Notification notification{
      .id = "a@b", .subject = "say \"hi\"\n", .body = "ü\xFF", .events = R"({"x":1},{"x":2})"};
  EXPECT_EQ(WebhookBody(options, notification, false),
            R"({"id":"a@b","pipeline":"fraud","stage":"alert","subject":"say \"hi\"\n",)"
            "\"body\":\"ü\xEF\xBF\xBD\","
            R"("events":[{"x":1},{"x":2}],"repeat":false})");
  EXPECT_THAT(WebhookBody(options, notification, true), HasSubstr(R"("repeat":true})"));
}

TEST(WebhookTest, StatusDecides) {
  const auto outcome = [](int status) { return WebhookResult(status, "", "", 0).outcome; };
  for (int status : {200, 201, 202, 204}) EXPECT_EQ(outcome(status), Outcome::kSent) << status;
  for (int status : {408, 425, 429, 503}) {
    EXPECT_EQ(outcome(status), Outcome::kUnavailable) << status;
  }
  for (int status : {500, 502, 504, 599}) {
    EXPECT_EQ(outcome(status), Outcome::kAnswerLost) << status;
  }
  for (int status : {301, 307, 400, 401, 403, 404, 409, 410, 413, 422}) {
    EXPECT_EQ(outcome(status), Outcome::kRejected) << status;
  }
}

TEST(WebhookTest, RetryAfterIsSecondsOrADateAndBounded) {
  const auto wait = [](const char* text) { return WebhookResult(429, text, "", 1000).retry_after; };
  EXPECT_EQ(wait(""), milliseconds(0));
  EXPECT_EQ(wait("7"), seconds(7));
  EXPECT_EQ(wait("-7"), seconds(0));
  EXPECT_EQ(wait("99999999999999"), std::chrono::hours(1));
  EXPECT_EQ(wait("soon"), seconds(0));
  EXPECT_EQ(wait("Thu, 01 Jan 1970 00:17:00 GMT"), seconds(20));
  EXPECT_EQ(wait("Thu, 01 Jan 1970 00:00:00 GMT"), seconds(0));
}

TEST(WebhookTest, TheAnswersWordsAreKept) {
  EXPECT_EQ(WebhookResult(422, "", "no such channel", 0).text,
            "the webhook answered 422: no such channel");
}

TEST(WebhookTest, ARefusedConnectionWasNotSent) {
  auto sender = MakeWebhookSender({.url = "http://127.0.0.1:1/", .connect_timeout = seconds(2)});
  ASSERT_TRUE(sender.ok()) << sender.status();
  const SendResult result = (*sender)->Send({.id = "x"}, false);
  EXPECT_EQ(result.outcome, Outcome::kUnavailable);
  EXPECT_THAT(result.text, HasSubstr("127.0.0.1"));
}

}  // namespace
}  // namespace levada::notify
