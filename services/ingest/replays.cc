#include "services/ingest/replays.h"

#include <utility>

namespace levada::ingest {
namespace {

constexpr size_t kEntryOverhead = 200;  // list node, map node, entry
constexpr size_t kMostWaiters = 64;     // for one request; more of them are a client gone wild

bool Complete(const std::vector<EventResult>& results) { return Count(results).unavailable == 0; }

}  // namespace

Claim Replays::Begin(std::string_view key, uint64_t body_hash, Clock::time_point now,
                     Waiter waiter) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end() && !found->second->under_way &&
      now - found->second->ended > limits_.age) {
    Remove(found->second);
  } else if (found != entries_.end()) {
    Entry& entry = *found->second;
    if (entry.body_hash != body_hash) return {.kind = Claim::Kind::kConflict};
    order_.splice(order_.begin(), order_, found->second);
    if (entry.under_way) {
      if (entry.waiters.size() == kMostWaiters) return {.kind = Claim::Kind::kFull};
      entry.waiters.push_back(std::move(waiter));
      return {.kind = Claim::Kind::kWaiting};
    }
    Claim claim{.kind = Claim::Kind::kDone, .results = entry.results.Unpack()};
    if (!Complete(claim.results)) {
      claim.kind = Claim::Kind::kResume;
      entry.under_way = true;
    }
    return claim;
  }
  Shrink(now);
  if (entries_.size() >= limits_.keys) return {.kind = Claim::Kind::kFull};
  order_.push_front(Entry{.key = std::string(key), .body_hash = body_hash});
  order_.front().bytes = kEntryOverhead + key.size();
  bytes_ += order_.front().bytes;
  entries_.emplace(order_.front().key, order_.begin());
  return {.kind = Claim::Kind::kNew};
}

void Replays::End(std::string_view key, const std::vector<EventResult>* results,
                  Clock::time_point now) {
  std::vector<Waiter> waiters;
  {
    std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    Entry& entry = *found->second;
    waiters = std::exchange(entry.waiters, {});
    entry.under_way = false;
    entry.ended = now;
    if (results != nullptr) {
      bytes_ -= entry.bytes;
      entry.results = PackedResults(*results);
      entry.bytes = kEntryOverhead + entry.key.size() + entry.results.bytes();
      bytes_ += entry.bytes;
      Shrink(now);
    } else if (entry.results.empty()) {
      Remove(found->second);
    }
  }
  for (const Waiter& waiter : waiters) waiter(results);
}

size_t Replays::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

// Makes room for one more entry. Requests under way stay.
void Replays::Shrink(Clock::time_point now) {
  auto entry = order_.end();
  while (entry != order_.begin()) {
    --entry;
    const bool full = entries_.size() >= limits_.keys || bytes_ > limits_.bytes;
    if (!full && (entry->under_way || now - entry->ended <= limits_.age)) return;
    if (entry->under_way) continue;
    Remove(std::exchange(entry, std::next(entry)));
  }
}

void Replays::Remove(Order::iterator entry) {
  bytes_ -= entry->bytes;
  entries_.erase(entry->key);
  order_.erase(entry);
}

}  // namespace levada::ingest
