#include "services/notify/mail.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "core/base/encoding.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/utf8.h"

namespace levada::notify {
namespace {

constexpr size_t kLine = 76;              // of a header or a quoted-printable line
constexpr size_t kMaxSubjectBytes = 500;  // longer ones are cut
constexpr std::string_view kWordBegin = "=?UTF-8?B?";
constexpr std::string_view kWordEnd = "?=";
constexpr size_t kWordBytes = 45;  // 60 in base64, 72 with the frame
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool IsPlain(std::string_view text) {
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7F; });
  // A text that looks like an encoded word would be decoded.
  return ascii && text.find("=?") == std::string_view::npos;
}

// Line breaks and other control characters become one space each; the rest stays.
std::string OneLine(std::string_view text) {
  std::string line = ToUtf8(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return line;
}

// Words separated by single spaces, folded before a word that does not fit. A space that would
// come to stand at a fold with another one stays where it is.
void AppendFolded(std::string_view text, size_t column, std::string* out) {
  while (!text.empty()) {
    const size_t end = std::min(text.find(' ', 1), text.size());
    const std::string_view word = text.substr(0, end);
    const bool blank = word == " " || (end < text.size() && text[end] == ' ' && word.size() == 1);
    if (column + word.size() > kLine && word.front() == ' ' && !blank) {
      out->append("\r\n");
      column = 0;
    }
    out->append(word);
    column += word.size();
    text.remove_prefix(end);
  }
}

void AppendEncodedWords(std::string_view text, size_t column, std::string* out) {
  bool first = true;
  while (!text.empty()) {
    const size_t room = first ? std::min(kWordBytes, (kLine - column - 12) / 4 * 3) : kWordBytes;
    const std::string_view piece = CutUtf8(text, room);
    if (!first) out->append("\r\n ");
    first = false;
    base::StrAppend(out, kWordBegin, base::Base64Encode(piece), kWordEnd);
    text.remove_prefix(piece.size());
  }
}

bool IsAtomCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
}

}  // namespace

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  // Not UTF-8: there is no character to keep whole.
  return text.substr(0, end == 0 ? max_bytes : end);
}

std::string ToUtf8(std::string_view text) {
  if (base::IsUtf8(text)) return std::string(text);
  std::string clean;
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    const int length = base::Utf8SequenceLength(p, end);
    if (length > 0) {
      clean.append(p, length);
      p += length;
    } else {
      clean.append(kReplacement);
      ++p;
    }
  }
  return clean;
}

std::string TextHeader(std::string_view name, std::string_view text) {
  const std::string line = OneLine(text);
  std::string header = base::StrCat(name, ": ");
  if (IsPlain(line)) {
    AppendFolded(line, header.size(), &header);
  } else {
    AppendEncodedWords(line, header.size(), &header);
  }
  header.append("\r\n");
  return header;
}

std::string MailDate(int64_t time_s) {
  static constexpr const char* kDays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int64_t micros = time_s * base::kMicrosPerSecond;
  const base::CivilTime time = base::CivilFromMicros(micros);
  const int weekday = ((base::DaysFromMicros(micros) % 7) + 7) % 7;  // 1970-01-01: a Thursday
  return absl::StrFormat("%s, %02d %s %04d %02d:%02d:%02d +0000", kDays[weekday], time.day,
                         kMonths[time.month - 1], time.year, time.hour, time.minute, time.second);
}

std::string QuotedPrintable(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 16);
  size_t column = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) {
      if (c == '\r') ++i;
      out.append("\r\n");
      column = 0;
      continue;
    }
    const bool line_ends = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
    // A space at the end of a line would be lost on the way; "From " and "." at its start have a
    // meaning to some old programs.
    const bool plain =
        (c > 0x20 && c < 0x7F && c != '=') || ((c == ' ' || c == '\t') && !line_ends);
    const bool quoted = !plain || (column == 0 && (c == '.' || c == 'F'));
    const size_t width = quoted ? 3 : 1;
    if (column + width > kLine - 1) {
      out.append("=\r\n");
      column = 0;
    }
    if (quoted) {
      absl::StrAppendFormat(&out, "=%02X", c);
    } else {
      out.push_back(static_cast<char>(c));
    }
    column += width;
  }
  return out;
}

bool IsMailAddress(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || text.size() > 254) return false;
  const std::string_view host = text.substr(at + 1);
  const std::string_view name = text.substr(0, at);
  const auto is_host = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '[' || c == ']' || c == ':';
  };
  return !host.empty() && std::all_of(host.begin(), host.end(), is_host) &&
         std::all_of(name.begin(), name.end(), IsAtomCharacter);
}

std::string BuildMail(const MailParts& parts) {
  std::string subject = ToUtf8(parts.subject);
  if (subject.size() > kMaxSubjectBytes) {
    subject = base::StrCat(CutUtf8(subject, kMaxSubjectBytes), "…");
  }
  if (parts.repeat) subject.append(" [repeat]");
  std::string mail =
      base::StrCat("Date: ", MailDate(parts.time_s), "\r\nFrom: ", parts.from, "\r\nTo: ");
  for (size_t i = 0; i < parts.to.size(); ++i) {
    base::StrAppend(&mail, i == 0 ? "" : ",\r\n ", parts.to[i]);
  }
  base::StrAppend(&mail, "\r\n", TextHeader("Subject", subject));
  base::StrAppend(&mail, "Message-ID: <", parts.id, ">\r\n");
  if (parts.repeat) mail.append("Levada-Repeat: true\r\n");
  mail.append(
      "Auto-Submitted: auto-generated\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n"
      "\r\n");
  base::StrAppend(&mail, QuotedPrintable(ToUtf8(parts.body)), "\r\n");
  return mail;
}

}  // namespace levada::notify
