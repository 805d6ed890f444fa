#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The text of a mail: RFC 5322 and MIME, from parts that may hold anything.
//
//   std::string text = BuildMail({.from = "alerts@example.com", .to = {"fraud@example.com"},
//                                 .subject = "Blocked ü", .body = "...", .id = "alert.1.0.17@p"});
//
// Lines end with CRLF and are at most 78 characters long (998 within an address list). A subject
// cannot start another header: control characters in it become spaces. What is not UTF-8 becomes
// U+FFFD.
//
// Thread-safety: pure functions.
namespace levada::notify {

struct MailParts {
  std::string from;             // addresses: IsMailAddress()
  std::vector<std::string> to;  //
  std::string subject;
  std::string body;
  std::string id;
  int64_t time_s = 0;   // since 1970
  bool repeat = false;  // adds "Levada-Repeat: true", and " [repeat]" to the subject
};

std::string BuildMail(const MailParts& parts);

// name@host in ASCII, without anything that could end a header or an SMTP command.
bool IsMailAddress(std::string_view text);

// ---- The parts of it ----

// A header with its line end, folded; RFC 2047 encoded words where the text is not plain ASCII.
std::string TextHeader(std::string_view name, std::string_view text);
// "Mon, 23 Nov 2026 06:21:00 +0000"
std::string MailDate(int64_t time_s);
// RFC 2045 §6.7, of text with any line ends.
std::string QuotedPrintable(std::string_view text);
// The longest start of `text` of at most `max_bytes` that does not cut a character.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);
// Bytes that are not UTF-8 become U+FFFD.
std::string ToUtf8(std::string_view text);

}  // namespace levada::notify
