#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "services/notify/sender.h"

// Sends notifications as web requests: POST of
//
//   {"id":"…","pipeline":"…","stage":"…","subject":"…","body":"…","events":[…],"repeat":false}
//
// with the headers
//
//   Idempotency-Key: <id>
//   Levada-Repeat: true                         only where it may have been sent before
//   Levada-Signature: t=<seconds>,v1=<hex>      only with a secret: HMAC-SHA256 of
//   "<seconds>.<body>"
//
//   2xx                                         kSent
//   408, 425, 429, 503                          kUnavailable, for as long as Retry-After says
//   other 5xx                                   kAnswerLost: a gateway's 502 or 504 says nothing of
//                                               what became of the request behind it
//   anything else (redirects are not followed)  kRejected
//   failed before the request was sent          kUnavailable
//   no answer                                   kAnswerLost
//
// Each request has a connection of its own: on a kept one libcurl would repeat, by itself and
// unmarked, a request that got no answer.
//
// Threads: one.
namespace levada::notify {

struct WebhookOptions {
  std::string url;
  std::string ca_file;  // PEM; empty: the system's
  // Asked for at each request, so that a changed secret is seen; null: requests are not signed.
  std::function<absl::StatusOr<std::string>()> secret;
  std::string pipeline;
  std::string stage;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds timeout{30'000};
};

absl::StatusOr<std::unique_ptr<Sender>> MakeWebhookSender(WebhookOptions options);

// ---- The parts of it ----

std::string WebhookBody(const WebhookOptions& options, const Notification& notification,
                        bool repeat);
// "t=<time_s>,v1=<hex>"
std::string WebhookSignature(std::string_view secret, int64_t time_s, std::string_view body);
// `retry_after`: the header's value, seconds or an HTTP date; `now_s`: since 1970.
SendResult WebhookResult(int status, std::string_view retry_after, std::string_view answer,
                         int64_t now_s);

}  // namespace levada::notify
