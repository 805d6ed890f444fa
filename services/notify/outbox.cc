#include "services/notify/outbox.h"

#include <algorithm>

#include "core/base/log.h"

// Taking events, and partitions that come and go. Sending is in outbox_send.cc.
namespace levada::notify {

Outbox::Outbox(Options options, Sender* sender, SentLog* log, Probe* probe)
    : options_(std::move(options)),
      sender_(sender),
      log_(log),
      probe_(probe),
      throttle_(options_.throttle),
      cleaned_(options_.now()) {}

Outbox::~Outbox() = default;

absl::Status Outbox::Assign(const std::vector<runtime::Assignment>& partitions) {
  absl::StatusOr<std::vector<SentEntry>> entries = log_->ReadAll();
  if (!entries.ok()) return entries.status();
  std::set<int32_t> fresh;
  std::map<int32_t, int64_t> begin;
  for (const runtime::Assignment& entry : partitions) {
    fresh.insert(entry.partition);
    begin[entry.partition] = entry.offset;
    partitions_[entry.partition] = {.epoch = entry.epoch, .committed = entry.offset >= 0};
    progress_.Forget(entry.partition);
    fates_.erase(entry.partition);
  }
  const size_t waiting = queue_.size();
  for (const SentEntry& entry : *entries) Remember(entry, fresh, begin);
  if (queue_.size() > waiting) {
    base::LogInfo("notifications that may have been sent before will be repeated",
                  {{"notifications", queue_.size() - waiting}});
  }
  return absl::OkStatus();
}

void Outbox::Remember(const SentEntry& entry, const std::set<int32_t>& fresh,
                      const std::map<int32_t, int64_t>& begin) {
  auto fate = std::make_shared<Fate>(Fate{.state = entry.state, .error = entry.error});
  Message* known = FindLogged(entry.notification.id);
  if (known != nullptr) {
    // Being sent here; it covers partitions that went away and have come back.
    if (known->fate == nullptr) known->fate = std::make_shared<Fate>(Fate{.message = known});
    fate = known->fate;
  } else if (fresh.contains(entry.home())) {
    if (entry.state == SentState::kAttempt) {
      queue_.push_front({});
      Message& message = queue_.front();
      message.entry = entry;
      message.logged = message.durable = message.maybe_sent = true;
      message.fate = fate;
      fate->message = &message;
    } else {
      over_.push_back({entry.notification.id, entry.covers});
    }
  }
  for (const Covered& covered : entry.covers) {
    if (!fresh.contains(covered.partition)) continue;
    if (covered.epoch != partitions_[covered.partition].epoch) continue;
    for (int64_t offset : covered.offsets) {
      if (offset >= begin.at(covered.partition)) fates_[covered.partition][offset] = fate;
    }
  }
}

Outbox::Message* Outbox::FindLogged(const std::string& id) {
  for (Message& message : queue_) {
    if (message.logged && message.entry.notification.id == id) return &message;
  }
  return nullptr;
}

void Outbox::Release(const std::vector<int32_t>& partitions) {
  const std::set<int32_t> gone(partitions.begin(), partitions.end());
  for (int32_t partition : partitions) {
    partitions_.erase(partition);
    progress_.Forget(partition);
    fates_.erase(partition);
  }
  for (auto it = queue_.begin(); it != queue_.end();) {
    const auto message = it++;
    Drop(message, gone);
  }
  for (auto it = groups_.begin(); it != groups_.end();) {
    Shrink(&it->second.events, gone);
    it = it->second.events.empty() ? groups_.erase(it) : std::next(it);
  }
  std::erase_if(refused_,
                [&](const Refused& refused) { return gone.contains(refused.event.partition); });
}

// Takes from a message what belongs to partitions that go, or the message itself: one that is
// logged goes with its home, whose next owner repeats all of it.
void Outbox::Drop(std::list<Message>::iterator message, const std::set<int32_t>& gone) {
  const bool leaves = message->logged && gone.contains(message->entry.home());
  Shrink(&message->events, gone);
  if (!leaves && (message->logged || !message->events.empty())) return;
  for (const Event& event : message->events) {
    progress_.Done(event.partition, event.offset);
    held_bytes_ -= event.bytes();
    --held_events_;
  }
  if (message->fate != nullptr) message->fate->message = nullptr;
  queue_.erase(message);
}

void Outbox::Shrink(std::vector<Event>* events, const std::set<int32_t>& gone) {
  std::erase_if(*events, [&](const Event& event) {
    if (!gone.contains(event.partition)) return false;
    held_bytes_ -= event.bytes();
    --held_events_;
    return true;
  });
}

void Outbox::Discard() {
  partitions_.clear();
  progress_ = Progress();
  fates_.clear();
  queue_.clear();
  groups_.clear();
  over_.clear();
  refused_.clear();
  held_events_ = held_bytes_ = 0;
  touched_.reset();
}

bool Outbox::Remembers(int32_t partition, int64_t offset) const {
  const auto found = fates_.find(partition);
  return found != fates_.end() && found->second.contains(offset);
}

bool Outbox::Recall(Event event, std::string* error) {
  auto& fates = fates_[event.partition];
  const auto found = fates.find(event.offset);
  const std::shared_ptr<Fate> fate = found->second;
  fates.erase(found);
  if (fate->message != nullptr) {
    // Kept for the case that the repeat is refused for good.
    Touch();
    progress_.Hold(event.partition, event.offset);
    held_bytes_ += event.bytes();
    ++held_events_;
    fate->message->events.push_back(std::move(event));
    return true;
  }
  Pass(event.partition, event.offset);
  if (fate->state == SentState::kFailed) *error = fate->error;
  return fate->state != SentState::kFailed;
}

void Outbox::Take(Event event) {
  Touch();
  progress_.Hold(event.partition, event.offset);
  held_bytes_ += event.bytes();
  ++held_events_;
  if (options_.group) {
    JoinGroup(std::move(event));
  } else {
    queue_.emplace_back().events.push_back(std::move(event));
  }
}

void Outbox::JoinGroup(Event event) {
  auto found = groups_.find(event.group);
  if (found != groups_.end()) {
    const Message& group = found->second;
    if (group.body_bytes + event.body.size() + 1 > Limits::kBodyBytes ||
        group.value_bytes + event.value.size() + 1 > Limits::kEventsBytes) {
      queue_.push_back(std::move(found->second));
      groups_.erase(found);
      found = groups_.end();
    }
  }
  if (found == groups_.end()) {
    found = groups_.try_emplace(event.group).first;
    found->second.due = options_.now() + options_.group->wait;
  }
  Message& group = found->second;
  group.body_bytes += event.body.size() + 1;
  group.value_bytes += event.value.size() + 1;
  group.events.push_back(std::move(event));
  if (group.events.size() < options_.group->max) return;
  queue_.push_back(std::move(group));
  groups_.erase(found);
}

void Outbox::Pass(int32_t partition, int64_t offset) {
  Touch();
  progress_.Seen(partition, offset);
}

void Outbox::Touch() {
  if (!touched_) touched_ = options_.now();
}

bool Outbox::TakesMore() const {
  return held_events_ < kMaxEvents && held_bytes_ < kMaxBytes && over_.size() < kMaxEvents;
}

}  // namespace levada::notify
