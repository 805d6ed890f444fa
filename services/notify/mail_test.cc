#include "services/notify/mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "core/base/encoding.h"
#include "core/base/strings.h"

namespace levada::notify {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

MailParts Parts() {
  return {.from = "alerts@example.com",
          .to = {"a@example.com", "b@example.com"},
          .subject = "Blocked 17",
          .body = "one\ntwo",
          .id = "alert.1.0.17@fraud.default.levada",
          .time_s = 1'795'414'860};
}

std::vector<std::string> Lines(const std::string& mail) { return absl::StrSplit(mail, "\r\n"); }

// The header's value as a reader sees it: unfolded, encoded words decoded.
std::string Decoded(const std::string& header) {
  std::string text;
  for (std::string line : Lines(header)) {
    const size_t begin = line.find("=?UTF-8?B?");
    if (begin == std::string::npos) continue;
    text += *base::Base64Decode(line.substr(begin + 10, line.size() - begin - 12));
  }
  return text;
}

std::string FromQuotedPrintable(std::string text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (text.substr(i, 3) == "=\r\n") {
      i += 2;
    } else {
      out += *base::HexDecode(text.substr(i + 1, 2));
      i += 2;
    }
  }
  return out;
}

TEST(MailTest, HasEveryHeaderThatItNeeds) {
  EXPECT_EQ(BuildMail(Parts()),
            "Date: Mon, 23 Nov 2026 06:21:00 +0000\r\n"
            "From: alerts@example.com\r\n"
            "To: a@example.com,\r\n b@example.com\r\n"
            "Subject: Blocked 17\r\n"
            "Message-ID: <alert.1.0.17@fraud.default.levada>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n"
            "\r\n"
            "one\r\ntwo\r\n");
}

TEST(MailTest, RepeatIsMarkedForMachinesAndForPeople) {
  MailParts parts = Parts();
  parts.repeat = true;
  const std::string mail = BuildMail(parts);
  EXPECT_THAT(mail, HasSubstr("\r\nLevada-Repeat: true\r\n"));
  EXPECT_THAT(mail, HasSubstr("\r\nSubject: Blocked 17 [repeat]\r\n"));
  EXPECT_THAT(mail, HasSubstr("\r\nMessage-ID: <alert.1.0.17@fraud.default.levada>\r\n"));
}

TEST(MailTest, SubjectCannotStartAnotherHeader) {
  for (const char* subject :
       {"x\r\nBcc: everyone@example.com", "x\nBcc: everyone@example.com",
        "x\rBcc: everyone@example.com", "x\r\n\r\nbody", "ü\r\nBcc: everyone@example.com"}) {
    MailParts parts = Parts();
    parts.subject = subject;
    const std::string mail = BuildMail(parts);
    EXPECT_THAT(mail, Not(HasSubstr("\nBcc"))) << subject;
    EXPECT_THAT(mail, Not(HasSubstr("\rBcc"))) << subject;
    EXPECT_EQ(mail.find("\r\n\r\n"), mail.find("\r\n\r\none")) << subject;
  }
}

TEST(MailTest, SubjectThatIsNotAsciiIsEncodedInWordsOf75Characters) {
  std::string subject;
  for (int i = 0; i < 40; ++i) subject += "Zahlung über 5 €, ";
  subject.resize(subject.find("€", 400) + 3);
  const std::string header = TextHeader("Subject", subject);
  EXPECT_EQ(Decoded(header), subject);
  for (const std::string& line : Lines(header)) EXPECT_LE(line.size(), 76u) << line;
}

TEST(MailTest, LongAsciiSubjectIsFoldedAndUnfoldsToItself) {
  std::string subject;
  for (int i = 0; i < 60; ++i) subject += "word  ";
  subject += "end";
  const std::string header = TextHeader("Subject", subject);
  std::string unfolded;
  for (const std::string& line : Lines(header)) {
    EXPECT_LE(line.size(), 78u);
    EXPECT_TRUE(unfolded.empty() || line.empty() || line.front() == ' ') << line;
    unfolded += line;
  }
  EXPECT_EQ(unfolded, base::StrCat("Subject: ", subject));
}

TEST(MailTest, SubjectThatLooksEncodedIsEncoded) {
  EXPECT_EQ(Decoded(TextHeader("Subject", "=?UTF-8?Q?x?=")), "=?UTF-8?Q?x?=");
}

TEST(MailTest, VeryLongSubjectIsCutBetweenCharacters) {
  MailParts parts = Parts();
  parts.subject.clear();
  for (int i = 0; i < 100'000; ++i) parts.subject += "€";
  const std::string mail = BuildMail(parts);
  EXPECT_LT(mail.size(), 2000u);
  const size_t begin = mail.find("Subject: ");
  EXPECT_THAT(Decoded(mail.substr(begin, mail.find("Message-ID") - begin)), StartsWith("€€"));
}

TEST(MailTest, BodyComesBackFromQuotedPrintable) {
  const std::string body =
      std::string(".leading dot\nFrom here\ntrailing space \nü€😀\ttab\t\n=3D\n\n" +
                  std::string(300, 'x') + std::string("\0\x01", 2) + "\rlone");
  const std::string encoded = QuotedPrintable(body);
  for (const std::string& line : Lines(encoded)) EXPECT_LE(line.size(), 76u);
  std::string expected;
  for (char c : body) expected += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_EQ(FromQuotedPrintable(encoded), expected);
  EXPECT_THAT(encoded, StartsWith("=2Eleading"));
}

TEST(MailTest, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(ToUtf8("a\xFF\xC3"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(ToUtf8("ü"), "ü");
}

TEST(MailTest, Addresses) {
  for (const char* good : {"a@b", "first.last+tag@mail.example.com", "x@[127.0.0.1]"}) {
    EXPECT_TRUE(IsMailAddress(good)) << good;
  }
  for (const char* bad : {"", "a", "@b", "a@", "a b@c", "a@b\r\nDATA", "<a@b>", "a@b c", "ü@b",
                          "a,b@c", "a@b,c@d", "\"a\"@b"}) {
    EXPECT_FALSE(IsMailAddress(bad)) << bad;
  }
}

TEST(MailTest, Dates) {
  EXPECT_EQ(MailDate(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(MailDate(951'782'400), "Tue, 29 Feb 2000 00:00:00 +0000");
}

}  // namespace
}  // namespace levada::notify
