#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/runtime/stage.h"
#include "services/notify/sender.h"

// What a notify stage knows about its notifications over restarts: a compacted topic, one record a
// notification, its id the key.
//
//   {"state":"attempt","covers":[…],"subject":"…","body":"…","events":[…]}   before it is sent
//   {"state":"sent","covers":[…]}                                            after the answer
//   {"state":"failed","covers":[…],"error":"…"}                              refused for good
//   (deleted)      its events' offsets are committed; or it was certainly not sent
//
// `covers` names its events: [{"partition":0,"epoch":7,"offsets":[17,1,3]}] are 17, 18 and 21, the
// first number an offset and the others distances. The worker that owns the first partition named
// (its home) repeats the notification if it finds it as an attempt.
namespace levada::notify {

enum class SentState { kAttempt, kSent, kFailed };

struct Covered {
  int32_t partition = 0;
  int64_t epoch = 0;             // of the topic's life that the offsets belong to
  std::vector<int64_t> offsets;  // ascending
};

struct SentEntry {
  SentState state = SentState::kAttempt;
  std::vector<Covered> covers;
  Notification notification;  // only its id, unless it is an attempt
  std::string error;          // of a failed one

  int32_t home() const { return covers.empty() ? -1 : covers.front().partition; }
};

// The record's value. The largest notification that Limits (renderer.h) let through stays below
// 1 MB, which is what Kafka takes unless told otherwise.
std::string EncodeSent(const SentEntry& entry);
absl::StatusOr<SentEntry> DecodeSent(std::string_view id, std::string_view value);

class SentLog {
 public:
  virtual ~SentLog() = default;
  // All entries there are now.
  virtual absl::StatusOr<std::vector<SentEntry>> ReadAll() = 0;
  // In memory until Flush.
  virtual void Write(const SentEntry& entry) = 0;
  virtual void Erase(std::string_view id) = 0;
  // Makes durable what was written. Unavailable: it is not known which of it is; the next Flush
  // tries all of it again.
  virtual absl::Status Flush() = 0;
  // What the stage's group has committed, by partition.
  virtual absl::StatusOr<runtime::Offsets> Committed() = 0;
};

}  // namespace levada::notify
