#include "services/notify/smtp_dialog.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "core/base/strings.h"

namespace levada::notify {
namespace {

constexpr size_t kMaxReplyBytes = 1000;

bool Starts(std::string_view line, std::string_view verb) {
  return absl::StartsWithIgnoreCase(base::AbslView(line), base::AbslView(verb));
}

std::string_view TrimEnd(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  return line;
}

// "no log-in", "log-in refused", ...: the set-up is wrong and not this mail.
bool IsLoginCode(int code) { return code == 530 || code == 534 || code == 535 || code == 538; }

std::string_view PhaseName(SmtpDialog::Phase phase) {
  switch (phase) {
    case SmtpDialog::Phase::kConnecting:
      return "connecting";
    case SmtpDialog::Phase::kLogin:
      return "logging in";
    case SmtpDialog::Phase::kMailFrom:
      return "naming the sender";
    case SmtpDialog::Phase::kRecipient:
      return "naming the recipients";
    case SmtpDialog::Phase::kData:
    case SmtpDialog::Phase::kMail:
      return "sending the mail";
  }
  return "";
}

}  // namespace

void SmtpDialog::OnCommand(std::string_view line) {
  code_ = 0;
  reply_.clear();
  reply_ended_ = true;
  if (Starts(line, "AUTH")) {
    phase_ = Phase::kLogin;
  } else if (Starts(line, "MAIL FROM:")) {
    phase_ = Phase::kMailFrom;
  } else if (Starts(line, "RCPT TO:")) {
    phase_ = Phase::kRecipient;
    recipient_ = TrimEnd(line.substr(8));
  } else if (Starts(line, "DATA")) {
    phase_ = Phase::kData;
  }
  // Anything else is EHLO, STARTTLS, or a line of the log-in: the phase stays.
}

bool SmtpDialog::OnReplyLine(std::string_view line) {
  line = TrimEnd(line);
  if (reply_ended_) reply_.clear();
  reply_ended_ = line.size() < 4 || line[3] != '-';
  if (reply_.size() < kMaxReplyBytes) base::StrAppend(&reply_, reply_.empty() ? "" : " ", line);
  if (!reply_ended_) return true;
  code_ = 0;
  if (!absl::SimpleAtoi(base::AbslView(line.substr(0, 3)), &code_)) return true;
  if (phase_ == Phase::kData && code_ == 354) {
    phase_ = Phase::kMail;
    code_ = 0;
  }
  if (phase_ != Phase::kRecipient || code_ < 400 || code_ == 421) return true;
  if (code_ < 500 || IsLoginCode(code_)) {
    later_ = code_ < 500;
    return false;
  }
  base::StrAppend(&refused_, refused_.empty() ? "" : "; ", recipient_, ": ", reply_);
  return true;
}

SendResult SmtpDialog::Refused(Outcome outcome, std::string_view error) const {
  SendResult result;
  result.outcome = outcome;
  if (code_ >= 400) {
    result.text =
        base::StrCat("the mail server answered when ", PhaseName(phase_), ": ",
                     phase_ == Phase::kRecipient ? base::StrCat(recipient_, " ") : "", reply_);
  } else {
    result.text = base::StrCat(error, " (when ", PhaseName(phase_), ")");
  }
  return result;
}

SendResult SmtpDialog::Result(bool completed, std::string_view error) const {
  if (completed) return {.outcome = Outcome::kSent, .text = reply_, .refused = refused_};
  if (later_) return Refused(Outcome::kTryLater, error);
  // Without an answer to the mail itself nobody knows; "421 closing" instead of one is none.
  if (phase_ == Phase::kMail && mail_sent_ && code_ == 0) {
    return Refused(Outcome::kAnswerLost, error);
  }
  if (code_ < 400 || code_ == 421 || IsLoginCode(code_)) {
    return Refused(Outcome::kUnavailable, error);
  }
  const bool for_good = code_ >= 500;
  switch (phase_) {
    case Phase::kConnecting:
    case Phase::kLogin:
      return Refused(Outcome::kUnavailable, error);
    case Phase::kMailFrom:
      return Refused(code_ == 552 ? Outcome::kRejected : Outcome::kUnavailable, error);
    case Phase::kRecipient:
      if (for_good && !refused_.empty()) {
        return {.outcome = Outcome::kRejected,
                .text = base::StrCat("the mail server refused all recipients: ", refused_)};
      }
      [[fallthrough]];
    case Phase::kData:
    case Phase::kMail:
      return Refused(for_good ? Outcome::kRejected : Outcome::kTryLater, error);
  }
  return Refused(Outcome::kUnavailable, error);
}

}  // namespace levada::notify
