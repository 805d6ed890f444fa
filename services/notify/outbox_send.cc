#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/json/write.h"
#include "services/notify/outbox.h"

namespace levada::notify {
namespace {

// An event of which only its place is known stands for itself with the notification's text.
Event Placeholder(const Notification& notification, int32_t partition, int64_t offset) {
  Event event;
  event.partition = partition;
  event.offset = offset;
  event.value = "{\"id\":";
  json::AppendString(notification.id, &event.value);
  event.value.append(",\"subject\":");
  json::AppendString(notification.subject, &event.value);
  event.value.append(",\"body\":");
  json::AppendString(notification.body, &event.value);
  event.value.push_back('}');
  return event;
}

// 2 s, doubling to about 4 minutes.
std::chrono::milliseconds RetryDelay(int refusals) {
  return std::chrono::seconds(2) * (1 << std::min(refusals, 7));
}

size_t CountEvents(const SentEntry& entry) {
  size_t events = 0;
  for (const Covered& covered : entry.covers) events += covered.offsets.size();
  return events;
}

}  // namespace

Outbox::Time Outbox::FlushAt() const {
  Time at = Time::max();
  Time send = Time::max();
  for (const Message& message : queue_) send = std::min(send, message.not_before);
  for (const auto& [key, group] : groups_) send = std::min(send, group.due);
  if (send != Time::max()) {
    at = std::max({send, blocked_until_, throttle_.NextSlot(options_.now())});
  }
  if (touched_) at = std::min(at, *touched_ + kCommitEvery);
  if (!over_.empty()) at = std::min(at, cleaned_ + kCleanEvery);
  return at;
}

void Outbox::CloseGroups() {
  for (auto& [key, group] : groups_) group.due = options_.now();
}

absl::Status Outbox::Flush(std::vector<Refused>* refused) {
  bool wait = false;
  if (absl::Status status = CommitEpochs(&wait); !status.ok() || wait) return status;
  absl::Status status = SendDue();
  const absl::Status logged = log_->Flush();
  probe_->Waiting(held_events_, groups_.size());
  if (status.ok()) status = logged;
  if (!status.ok()) return status;
  Clean();
  touched_.reset();
  *refused = std::exchange(refused_, {});
  return absl::OkStatus();
}

// The epoch of a topic's life is a part of every id. It must outlive a crash before anything is
// sent, and Kafka keeps it only beside a committed offset: so the place of the first record is
// committed first. `wait`: return to the runtime, which does it.
absl::Status Outbox::CommitEpochs(bool* wait) {
  const auto is_new = [this](const auto& entry) {
    return !entry.second.committed && progress_.Next(entry.first) >= 0;
  };
  if (std::none_of(partitions_.begin(), partitions_.end(), is_new)) return absl::OkStatus();
  const absl::StatusOr<runtime::Offsets> committed = log_->Committed();
  if (!committed.ok()) return committed.status();
  for (auto& [number, partition] : partitions_) {
    if (partition.committed || progress_.Next(number) < 0) continue;
    const auto found = committed->find(number);
    partition.committed = found != committed->end() && found->second >= 0;
    *wait = *wait || !partition.committed;
  }
  return absl::OkStatus();
}

absl::Status Outbox::SendDue() {
  const Time began = options_.now();
  if (began < blocked_until_ && NextDue(began) != nullptr) {
    return absl::UnavailableError(base::AbslView(blocked_why_));
  }
  for (Time now = began; now - began < kFlushBudget; now = options_.now()) {
    Message* message = NextDue(now);
    if (message == nullptr) break;
    if (throttle_.NextSlot(now) > now) {
      if (!throttled_) throttled_ = now;
      break;
    }
    if (throttled_) probe_->Throttled(now - *throttled_);
    throttled_.reset();
    if (absl::Status status = Attempt(*message, began); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// The first that may go now; a group whose time is up only where nothing else is ready.
Outbox::Message* Outbox::NextDue(Time now) {
  for (Message& message : queue_) {
    if (message.not_before <= now) return &message;
  }
  const auto first = std::min_element(groups_.begin(), groups_.end(),
                                      [](auto& a, auto& b) { return a.second.due < b.second.due; });
  if (first == groups_.end() || first->second.due > now) return nullptr;
  // While the throttle holds it back it stays open for more events.
  if (throttle_.NextSlot(now) > now) return &first->second;
  queue_.push_back(std::move(first->second));
  groups_.erase(first);
  return &queue_.back();
}

absl::Status Outbox::Attempt(Message& message, Time began) {
  if (!message.logged) {
    std::map<int32_t, int64_t> epochs;
    for (const auto& [number, partition] : partitions_) epochs[number] = partition.epoch;
    message.entry = Compose(options_.origin, message.events, epochs, sender_->wants_events());
    log_->Write(message.entry);
    message.logged = true;
  }
  if (!message.durable) {
    if (absl::Status status = log_->Flush(); !status.ok()) return status;
    message.durable = true;
  }
  const Time start = options_.now();
  if (start - began >= kFlushBudget) return absl::OkStatus();  // ask the group first
  throttle_.Take(start);
  const SendResult result = sender_->Send(message.entry.notification, message.maybe_sent);
  const Time now = options_.now();
  probe_->Took(now - start);
  return Settle(message, result, now);
}

absl::Status Outbox::Settle(Message& message, const SendResult& result, Time now) {
  switch (result.outcome) {
    case Outcome::kSent:
      probe_->Sent(CountEvents(message.entry), message.maybe_sent);
      if (!result.refused.empty()) {
        Refuse(message, base::StrCat("sent to the others; refused for ", result.refused));
      }
      Finish(message, SentState::kSent, "");
      return absl::OkStatus();
    case Outcome::kRejected:
      probe_->Failed();
      Refuse(message, result.text);
      Finish(message, SentState::kFailed, result.text);
      return absl::OkStatus();
    case Outcome::kTryLater:
      throttle_.GiveBack();
      message.not_before = now + std::max(result.retry_after, RetryDelay(message.refusals++));
      base::LogWarn("a notification was refused for now",
                    {{"id", message.entry.notification.id}, {"reason", result.text}});
      Unlog(message);
      return absl::OkStatus();
    case Outcome::kUnavailable:
      throttle_.GiveBack();
      Unlog(message);
      break;
    case Outcome::kAnswerLost:
      probe_->AnswerLost();
      message.maybe_sent = true;
      break;
  }
  blocked_until_ = now + result.retry_after;
  blocked_why_ = result.text;
  return absl::UnavailableError(base::AbslView(result.text));
}

// It was certainly not sent this time. Unless it may have been earlier, nobody need know of it.
void Outbox::Unlog(Message& message) {
  if (message.maybe_sent) return;
  log_->Erase(message.entry.notification.id);
  message.logged = message.durable = false;
}

void Outbox::Refuse(const Message& message, const std::string& error) {
  for (const Event& event : message.events) refused_.push_back({event, error});
  // A repeat's other events: those that are still to come become dead letters when they do.
  for (const Covered& covered : message.entry.covers) {
    for (int64_t offset : covered.offsets) {
      const bool at_hand =
          std::any_of(message.events.begin(), message.events.end(), [&](const Event& event) {
            return event.partition == covered.partition && event.offset == offset;
          });
      if (at_hand || Remembers(covered.partition, offset)) continue;
      refused_.push_back(
          {Placeholder(message.entry.notification, covered.partition, offset), error});
    }
  }
}

void Outbox::Finish(Message& message, SentState state, const std::string& error) {
  message.entry.state = state;
  message.entry.error = error;
  log_->Write(message.entry);
  for (const Event& event : message.events) {
    progress_.Done(event.partition, event.offset);
    held_bytes_ -= event.bytes();
    --held_events_;
  }
  if (message.fate != nullptr) {
    message.fate->state = state;
    message.fate->error = error;
    message.fate->message = nullptr;
  }
  Over over{.id = message.entry.notification.id, .last = std::move(message.entry.covers)};
  for (Covered& covered : over.last) covered.offsets = {covered.offsets.back()};
  over_.push_back(std::move(over));
  queue_.remove_if([&](const Message& other) { return &other == &message; });
  if (!touched_) touched_ = options_.now();
}

// Deletes from the log what nobody will ask for again: all its events' offsets are committed, or
// are of a life of the topic that is over.
void Outbox::Clean() {
  const Time now = options_.now();
  if (over_.empty() || now - cleaned_ < kCleanEvery) return;
  cleaned_ = now;
  const absl::StatusOr<runtime::Offsets> committed = log_->Committed();
  if (!committed.ok()) return;  // next time
  std::erase_if(over_, [&](const Over& over) {
    for (const Covered& covered : over.last) {
      const auto mine = partitions_.find(covered.partition);
      if (mine != partitions_.end() && mine->second.epoch > covered.epoch) continue;
      const auto offset = committed->find(covered.partition);
      if (offset == committed->end() || offset->second <= covered.offsets.back()) return false;
    }
    log_->Erase(over.id);
    return true;
  });
}

}  // namespace levada::notify
