#include "services/notify/smtp_dialog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace levada::notify {
namespace {

using ::testing::HasSubstr;

// A dialog from lines "C: command" and "S: reply"; "C: ." is the end of the mail.
SmtpDialog After(std::initializer_list<const char*> lines, bool* goes_on = nullptr) {
  SmtpDialog dialog;
  for (std::string line : lines) {
    const std::string text = line.substr(3);
    if (line.front() == 'S') {
      const bool more = dialog.OnReplyLine(text + "\r\n");
      if (goes_on != nullptr) *goes_on = more;
    } else if (text == ".") {
      dialog.OnMailSent();
    } else {
      dialog.OnCommand(text + "\r\n");
    }
  }
  return dialog;
}

Outcome OutcomeAfter(std::initializer_list<const char*> lines) {
  return After(lines).Result(false, "connection lost").outcome;
}

TEST(SmtpDialogTest, BeforeTheMailEverythingIsUnavailable) {
  EXPECT_EQ(OutcomeAfter({}), Outcome::kUnavailable);
  EXPECT_EQ(OutcomeAfter({"S: 554 no service"}), Outcome::kUnavailable);
  EXPECT_EQ(OutcomeAfter({"S: 220 hi", "C: EHLO x", "S: 502 what"}), Outcome::kUnavailable);
  EXPECT_EQ(OutcomeAfter({"S: 220 hi", "C: EHLO x", "S: 250 ok", "C: STARTTLS", "S: 454 no"}),
            Outcome::kUnavailable);
  EXPECT_EQ(OutcomeAfter({"S: 220 hi", "C: EHLO x", "S: 250 ok", "C: AUTH PLAIN abc", "S: 535 no"}),
            Outcome::kUnavailable);
  EXPECT_EQ(OutcomeAfter({"S: 220 hi", "C: MAIL FROM:<a@b>", "S: 530 log in first"}),
            Outcome::kUnavailable);
  EXPECT_EQ(OutcomeAfter({"S: 220 hi", "C: MAIL FROM:<a@b>", "S: 550 not you"}),
            Outcome::kUnavailable);
  EXPECT_EQ(OutcomeAfter({"S: 220 hi", "C: MAIL FROM:<a@b>"}), Outcome::kUnavailable);
}

TEST(SmtpDialogTest, AMailThatIsTooLargeIsRejected) {
  EXPECT_EQ(OutcomeAfter({"C: MAIL FROM:<a@b> SIZE=9", "S: 552 too large"}), Outcome::kRejected);
}

TEST(SmtpDialogTest, ARecipientRefusedForNowStopsTheMail) {
  bool goes_on = true;
  SmtpDialog dialog = After({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok",
                             "C: RCPT TO:<e@f>", "S: 451 greylisted"},
                            &goes_on);
  EXPECT_FALSE(goes_on);
  const SendResult result = dialog.Result(false, "aborted");
  EXPECT_EQ(result.outcome, Outcome::kTryLater);
  EXPECT_THAT(result.text, HasSubstr("<e@f> 451 greylisted"));
}

TEST(SmtpDialogTest, RecipientsRefusedForGoodAreNamed) {
  bool goes_on = false;
  SmtpDialog some = After({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 550-no such",
                           "S: 550 user", "C: RCPT TO:<e@f>", "S: 250 ok"},
                          &goes_on);
  EXPECT_TRUE(goes_on);
  EXPECT_EQ(some.Result(true, "").outcome, Outcome::kSent);
  EXPECT_EQ(some.Result(true, "").refused, "<c@d>: 550-no such 550 user");

  const SendResult all = After({"C: RCPT TO:<c@d>", "S: 550 no", "C: RCPT TO:<e@f>", "S: 551 gone"})
                             .Result(false, "RCPT failed");
  EXPECT_EQ(all.outcome, Outcome::kRejected);
  EXPECT_THAT(all.text, HasSubstr("<c@d>: 550 no; <e@f>: 551 gone"));
}

TEST(SmtpDialogTest, TheAnswerToTheMailDecides) {
  const auto mail = [](std::initializer_list<const char*> end) {
    SmtpDialog dialog = After({"C: MAIL FROM:<a@b>", "S: 250 ok", "C: RCPT TO:<c@d>", "S: 250 ok",
                               "C: DATA", "S: 354 go"});
    for (std::string line : end) {
      line == "." ? dialog.OnMailSent() : void(dialog.OnReplyLine(line + "\r\n"));
    }
    return dialog.Result(false, "timeout").outcome;
  };
  EXPECT_EQ(mail({}), Outcome::kUnavailable);  // its last byte was not sent
  EXPECT_EQ(mail({"."}), Outcome::kAnswerLost);
  EXPECT_EQ(mail({".", "250-half an answer"}), Outcome::kAnswerLost);
  EXPECT_EQ(mail({".", "451 later"}), Outcome::kTryLater);
  EXPECT_EQ(mail({".", "554 spam"}), Outcome::kRejected);
  EXPECT_EQ(mail({".", "421 closing"}), Outcome::kUnavailable);
  EXPECT_EQ(OutcomeAfter({"C: DATA", "S: 554 no valid recipients"}), Outcome::kRejected);
}

TEST(SmtpDialogTest, PasswordsAreNotRepeated) {
  const SendResult result =
      After({"C: AUTH PLAIN", "S: 334 ", "C: c2VjcmV0", "S: 535 5.7.8 wrong"}).Result(false, "x");
  EXPECT_EQ(result.outcome, Outcome::kUnavailable);
  EXPECT_EQ(result.text, "the mail server answered when logging in: 535 5.7.8 wrong");
}

}  // namespace
}  // namespace levada::notify
