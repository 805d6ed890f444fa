#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/record/record.h"
#include "services/notify/sender.h"
#include "services/notify/sent_log.h"

// Events that people are to hear of, and how notifications are made from them.
//
// Thread-safety: plain values, pure functions.
namespace levada::notify {

// Bounds of a notification, so that an attempt fits a Kafka record of 1 MB however its text is
// escaped.
struct Limits {
  static constexpr size_t kSubjectBytes = 16 << 10;
  static constexpr size_t kBodyBytes = 80 << 10;
  static constexpr size_t kEventsBytes = 256 << 10;
};

// An event that is to be sent, with copies of what it came with: it may wait for long, and the
// batch that it came in is large.
struct Event {
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t timestamp_ms = 0;
  bool has_key = false;
  bool has_value = true;
  std::string key;
  std::string value;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string subject;  // rendered
  std::string body;     // rendered
  std::string group;    // events with the same one may share a notification

  size_t bytes() const;
  Record record() const;  // views of this event
  std::vector<Header> record_headers() const;
};

Event CopyEvent(const Batch& batch, const Record& record);

// Where ids come from: they are the same whenever the same event begins a notification.
struct Origin {
  std::string ns;  // namespace
  std::string pipeline;
  std::string stage;
};

// <stage>.<epoch>.<partition>.<offset>@<pipeline>.<namespace>.levada
std::string NotificationId(const Origin& origin, int64_t epoch, int32_t partition, int64_t offset);

// One notification of `events` (not empty). The subject is the first event's, with " (+N)" for N
// more; the body is theirs, one after the other. `epochs`: of the partitions.
SentEntry Compose(const Origin& origin, const std::vector<Event>& events,
                  const std::map<int32_t, int64_t>& epochs, bool with_events);

}  // namespace levada::notify
