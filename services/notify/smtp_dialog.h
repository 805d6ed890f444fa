#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/notify/sender.h"

// Follows a client's talk with a mail server, and tells from it what became of the mail.
//
//   client  EHLO, STARTTLS, EHLO, AUTH, MAIL FROM, RCPT TO…, DATA, the mail, "."
//   server  a reply to each: "250-more\r\n250 last\r\n"
//
// Thread-safety: plain value.
namespace levada::notify {

class SmtpDialog {
 public:
  enum class Phase { kConnecting, kLogin, kMailFrom, kRecipient, kData, kMail };

  // A line that the client has sent. Only its verb is looked at, so no password is kept.
  void OnCommand(std::string_view line);
  // The last byte of the mail was handed over to be sent.
  void OnMailSent() { mail_sent_ = true; }
  // A line of a reply. False: the mail is not to go on.
  bool OnReplyLine(std::string_view line);

  // What became of it. `completed`: the client has seen the final 250. `error`: the client's words
  // for what went wrong.
  SendResult Result(bool completed, std::string_view error) const;

 private:
  SendResult Refused(Outcome outcome, std::string_view error) const;

  Phase phase_ = Phase::kConnecting;
  std::string recipient_;
  std::string reply_;  // the last reply, its lines joined
  int code_ = 0;       // of the last complete reply to the last command; 0: none yet
  bool reply_ended_ = true;
  bool mail_sent_ = false;
  bool later_ = false;   // a recipient was refused for now
  std::string refused_;  // recipients refused for good
};

}  // namespace levada::notify
