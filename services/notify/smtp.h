#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/notify/sender.h"

// Sends mails through one mail server by SMTP (RFC 5321), over a connection that is kept.
//
//   auto sender = MakeSmtpSender({.host = "mail", .port = 587, .from = "alerts@example.com",
//                                 .to = {"fraud@example.com"}});
//   SendResult result = (*sender)->Send(notification, false);
//
// With `tls` STARTTLS is demanded and the certificate is checked before anything else is said; a
// password is never sent without it.
//
// What becomes of a mail, by where it failed:
// clang-format off: it would run the rows together
//
//   connecting, TLS, EHLO, AUTH; 421 anywhere      kUnavailable
//   MAIL FROM refused (the sender, not the mail)   kUnavailable; 552 (too large): kRejected
//   RCPT TO: any 4xx                               kTryLater; nothing was sent to anybody
//   RCPT TO: all 5xx                               kRejected
//   RCPT TO: some 5xx                              kSent to the others; `refused` says to whom not
//   DATA or the mail itself: 4xx                   kTryLater
//   DATA or the mail itself: 5xx                   kRejected
//   lost before the mail's last byte               kUnavailable
//   lost behind it                                 kAnswerLost
// clang-format on
//
// Threads: one.
namespace levada::notify {

struct SmtpOptions {
  std::string host;
  int port = 587;
  bool tls = true;
  std::string ca_file;  // PEM; empty: the system's
  // Asked for at each new log-in, so that a changed password is seen; null: none is sent.
  struct Login {
    std::string user;
    std::string password;
  };
  std::function<absl::StatusOr<Login>()> login;
  std::string from;
  std::vector<std::string> to;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds timeout{30'000};  // for one mail
};

// kInvalidArgument: an address that is none, or a log-in without TLS.
absl::StatusOr<std::unique_ptr<Sender>> MakeSmtpSender(SmtpOptions options);

}  // namespace levada::notify
