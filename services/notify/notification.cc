#include "services/notify/notification.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/strings.h"

namespace levada::notify {

size_t Event::bytes() const {
  size_t total =
      sizeof(Event) + key.size() + value.size() + subject.size() + body.size() + group.size();
  for (const auto& [name, text] : headers) total += name.size() + text.size();
  return total;
}

Record Event::record() const {
  Record record;
  record.key = key;
  record.value = value;
  record.timestamp_ms = timestamp_ms;
  record.offset = offset;
  record.partition = partition;
  record.has_key = has_key;
  record.has_value = has_value;
  return record;
}

std::vector<Header> Event::record_headers() const {
  std::vector<Header> views;
  for (const auto& [name, text] : headers) views.push_back({name, text});
  return views;
}

Event CopyEvent(const Batch& batch, const Record& record) {
  Event event;
  event.partition = record.partition;
  event.offset = record.offset;
  event.timestamp_ms = record.timestamp_ms;
  event.has_key = record.has_key;
  event.has_value = record.has_value;
  event.key = record.key;
  event.value = record.value;
  std::vector<Header> headers;
  batch.ReadHeaders(record, &headers);
  for (const Header& header : headers) event.headers.emplace_back(header.name, header.value);
  return event;
}

std::string NotificationId(const Origin& origin, int64_t epoch, int32_t partition, int64_t offset) {
  return absl::StrCat(origin.stage, ".", absl::Hex(epoch), ".", partition, ".", offset, "@",
                      origin.pipeline, ".", origin.ns, ".levada");
}

SentEntry Compose(const Origin& origin, const std::vector<Event>& events,
                  const std::map<int32_t, int64_t>& epochs, bool with_events) {
  const auto epoch_of = [&](int32_t partition) {
    const auto found = epochs.find(partition);
    return found == epochs.end() ? 0 : found->second;
  };
  const Event& first = events.front();
  SentEntry entry;
  Notification& out = entry.notification;
  out.id = NotificationId(origin, epoch_of(first.partition), first.partition, first.offset);
  out.subject = first.subject;
  if (events.size() > 1) absl::StrAppend(&out.subject, " (+", events.size() - 1, ")");
  for (const Event& event : events) {
    base::StrAppend(&out.body, &event == &first ? "" : "\n", event.body);
    if (with_events) base::StrAppend(&out.events, &event == &first ? "" : ",", event.value);
    auto covered =
        std::find_if(entry.covers.begin(), entry.covers.end(),
                     [&](const Covered& other) { return other.partition == event.partition; });
    if (covered == entry.covers.end()) {
      entry.covers.push_back({event.partition, epoch_of(event.partition), {}});
      covered = entry.covers.end() - 1;
    }
    covered->offsets.push_back(event.offset);
  }
  return entry;
}

}  // namespace levada::notify
