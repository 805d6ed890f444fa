#pragma once

#include <chrono>
#include <string>

// What is sent, and the ways in which a send can end.
//
// Threads: one.
namespace levada::notify {

// One mail or web request, for one event or a group of them.
struct Notification {
  std::string id;       // the same at each attempt; looks like a Message-ID without its brackets
  std::string subject;  // one line of UTF-8
  std::string body;     // UTF-8, lines end with \n
  std::string events;   // the events' JSON, separated by commas; only where the sender wants it
};

enum class Outcome {
  kSent,         // the other side has taken it
  kRejected,     // it said no for good
  kTryLater,     // it did not take this one now; others may go
  kUnavailable,  // it could not be reached, or takes nothing now; this one was not sent
  kAnswerLost,   // it may have taken it: the connection broke before its answer
};

struct SendResult {
  Outcome outcome = Outcome::kSent;
  std::string text;     // the other side's words, or what went wrong
  std::string refused;  // with kSent: recipients that were refused for good, and why
  std::chrono::milliseconds retry_after{0};  // where the other side has said so
};

class Sender {
 public:
  virtual ~Sender() = default;
  // Waits for the answer, for at most 30 s. `repeat`: it may have been sent before; people and
  // machines at the other end are told so.
  virtual SendResult Send(const Notification& notification, bool repeat) = 0;
  // Whether Notification::events is used.
  virtual bool wants_events() const = 0;
};

}  // namespace levada::notify
