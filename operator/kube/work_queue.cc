#include "operator/kube/work_queue.h"

#include <algorithm>
#include <utility>

namespace levada::kube {
namespace {

constexpr int kOneLowIn = 4;
constexpr int kMostDoublings = 30;

}  // namespace

WorkQueue::WorkQueue(Options options) : options_(std::move(options)), random_(options_.seed) {}

void WorkQueue::Add(std::string_view key, Urgency urgency) {
  const std::lock_guard lock(mutex_);
  if (shut_down_) return;
  const std::string text(key);
  Enqueue(text, items_[text], urgency);
}

void WorkQueue::Enqueue(const std::string& key, Item& item, Urgency urgency) {
  if (item.working) {
    item.urgency = item.again ? std::min(item.urgency, urgency) : urgency;
    item.again = true;
    return;
  }
  if (item.queued) {
    // One that waits among the low ones is taken over to the others; it is found there no more.
    if (item.urgency == Urgency::kNormal || urgency == Urgency::kLow) return;
    std::erase(low_, key);
  } else {
    item.due = options_.clock->Now();
  }
  item.queued = true;
  item.urgency = urgency;
  (urgency == Urgency::kNormal ? normal_ : low_).push_back(key);
  options_.probe->QueueDepth(options_.name, normal_.size() + low_.size());
  changed_.notify_all();
}

void WorkQueue::AddAfter(std::string_view key, Clock::Duration delay) {
  if (delay <= Clock::Duration::zero()) return Add(key);
  const std::lock_guard lock(mutex_);
  if (shut_down_) return;
  const std::string text(key);
  Schedule(text, items_[text], options_.clock->Now() + delay);
}

void WorkQueue::Schedule(const std::string& key, Item& item, Clock::Time time) {
  if (item.later && *item.later <= time) return;
  if (item.later) {
    const auto [begin, end] = later_.equal_range(*item.later);
    later_.erase(std::find_if(begin, end, [&](const auto& one) { return one.second == key; }));
  }
  item.later = time;
  later_.emplace(time, key);
  changed_.notify_all();
}

void WorkQueue::AddRateLimited(std::string_view key) {
  const std::lock_guard lock(mutex_);
  if (shut_down_) return;
  options_.probe->QueueRetried(options_.name);
  const std::string text(key);
  Item& item = items_[text];
  const int doublings = std::min(item.retries++, kMostDoublings);
  const auto wait =
      std::min(options_.first_retry * (int64_t{1} << doublings), options_.longest_retry);
  const auto jittered =
      std::chrono::duration_cast<Clock::Duration>(wait * (1 + options_.jitter * random_.Unit()));
  Schedule(text, item, options_.clock->Now() + jittered);
}

void WorkQueue::Forget(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto at = items_.find(std::string(key));
  if (at == items_.end()) return;
  at->second.retries = 0;
  DropIfIdle(at);
}

int WorkQueue::Retries(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto at = items_.find(std::string(key));
  return at == items_.end() ? 0 : at->second.retries;
}

std::optional<std::string> WorkQueue::Get() {
  std::unique_lock lock(mutex_);
  for (;;) {
    PromoteDue();
    if (HasDue()) return Take();
    // A key that is being worked on may come again even now.
    if (shut_down_ && normal_.empty() && low_.empty() && working_ == 0) return std::nullopt;
    const Clock::Time until =
        later_.empty() ? options_.clock->Now() + std::chrono::hours(1) : later_.begin()->first;
    options_.clock->WaitUntil(lock, changed_, until, [&] {
      return HasDue() || (shut_down_ && normal_.empty() && low_.empty() && working_ == 0) ||
             (!later_.empty() && later_.begin()->first < until);
    });
  }
}

bool WorkQueue::HasDue() const {
  return !normal_.empty() || (!low_.empty() && low_working_ < options_.most_low);
}

void WorkQueue::PromoteDue() {
  const Clock::Time now = options_.clock->Now();
  while (!later_.empty() && later_.begin()->first <= now) {
    const std::string key = std::move(later_.begin()->second);
    later_.erase(later_.begin());
    Item& item = items_[key];
    item.later.reset();
    Enqueue(key, item, Urgency::kNormal);
  }
}

std::string WorkQueue::Take() {
  const bool may = !low_.empty() && low_working_ < options_.most_low;
  const bool low = normal_.empty() || (may && since_low_ >= kOneLowIn - 1);
  since_low_ = low ? 0 : since_low_ + 1;
  std::deque<std::string>& from = low ? low_ : normal_;
  std::string key = std::move(from.front());
  from.pop_front();
  Item& item = items_[key];
  item.queued = false;
  item.working = true;
  item.low = low;
  if (low) ++low_working_;
  item.started = options_.clock->Now();
  ++working_;
  options_.probe->QueueWaited(options_.name, item.started - item.due);
  options_.probe->QueueDepth(options_.name, normal_.size() + low_.size());
  return key;
}

void WorkQueue::Done(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto at = items_.find(std::string(key));
  if (at == items_.end() || !at->second.working) return;
  Item& item = at->second;
  item.working = false;
  --working_;
  if (std::exchange(item.low, false)) --low_working_;
  options_.probe->QueueWorked(options_.name, options_.clock->Now() - item.started);
  if (std::exchange(item.again, false)) {
    Enqueue(at->first, item, item.urgency);
  } else {
    DropIfIdle(at);
  }
  changed_.notify_all();
}

void WorkQueue::DropIfIdle(Items::iterator at) {
  const Item& item = at->second;
  if (!item.queued && !item.working && !item.later && item.retries == 0) items_.erase(at);
}

void WorkQueue::ShutDown() {
  const std::lock_guard lock(mutex_);
  shut_down_ = true;
  later_.clear();
  for (auto& [key, item] : items_) item.later.reset();
  changed_.notify_all();
}

bool WorkQueue::Drain(std::chrono::milliseconds limit) {
  ShutDown();
  std::unique_lock lock(mutex_);
  return options_.clock->WaitUntil(lock, changed_, options_.clock->Now() + limit, [&] {
    return normal_.empty() && low_.empty() && working_ == 0;
  });
}

size_t WorkQueue::depth() const {
  const std::lock_guard lock(mutex_);
  return normal_.size() + low_.size();
}

}  // namespace levada::kube
