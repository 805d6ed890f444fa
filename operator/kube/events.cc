#include "operator/kube/events.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "absl/strings/str_format.h"
#include "core/base/hash.h"
#include "core/base/strings.h"
#include "operator/kube/errors.h"

namespace levada::kube {
namespace {

constexpr size_t kLongestNote = 1024;
constexpr size_t kLongestReason = 128;
constexpr size_t kLongestName = 200;  // of 253, the rest is ours
constexpr std::chrono::seconds kPruneEvery{60};
constexpr int kMostAttempts = 12;
constexpr std::chrono::seconds kTryAgain{10};
constexpr std::chrono::seconds kLastFlush{5};

// Cut between characters.
std::string Cut(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  size_t end = most - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return base::StrCat(text.substr(0, end), "...");
}

}  // namespace

class EventRecorder::Writer {
 public:
  Writer(Client& client, Options options)
      : client_(client), options_(std::move(options)), clock_(*options_.clock) {
    thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
  }

  ~Writer() {
    Flush(kLastFlush);
    {
      const std::lock_guard lock(mutex_);
      thread_.request_stop();
    }
    changed_.notify_all();
  }

  void Record(std::string_view type, const Json& regarding, std::string_view reason,
              std::string_view action, std::string_view note) {
    const std::string object = base::StrCat(UidOf(regarding), " ", KeyOf(regarding).ToText());
    const std::string key =
        base::StrCat(object, "\n", type, "\n", reason, "\n", action, "\n", note);
    const std::lock_guard lock(mutex_);
    const Clock::Time now = clock_.Now();
    const auto at = series_.find(key);
    if (at != series_.end() && now - at->second.seen <= options_.series_window) {
      Repeat(key, at->second, now);
      return;
    }
    if (due_.size() >= options_.max_waiting || !HasToken(object, now)) {
      options_.probe->EventDropped();
      return;
    }
    Series& series = series_[key];
    if (series.due) return;  // its first time still waits to be written
    series = {.event = MakeEvent(type, regarding, reason, action, note, key)};
    series.seen = now;
    series.seen_micros = clock_.WallMicros();
    Schedule(key, series, now);
  }

  bool Flush(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    flushing_ = true;
    changed_.notify_all();
    const bool done = clock_.WaitUntil(lock, changed_, clock_.Now() + limit,
                                       [&] { return due_.empty() && !writing_; });
    flushing_ = false;
    return done;
  }

 private:
  struct Series {
    std::string event;  // as JSON text: a tree takes ten times the memory, for minutes
    int64_t count = 1;
    Clock::Time seen;  // the last time
    int64_t seen_micros = 0;
    std::optional<Clock::Time> due;  // it waits to be written
    std::optional<Clock::Time> written;
    int attempts = 0;
  };
  struct Bucket {
    double tokens = 0;
    Clock::Time at;
  };

  std::string MakeEvent(std::string_view type, const Json& regarding, std::string_view reason,
                        std::string_view action, std::string_view note, std::string_view key) {
    const int64_t now = clock_.WallMicros();
    const std::string name_space = NamespaceOf(regarding);
    const uint64_t id = base::HashCombine(base::HashBytes(key), static_cast<uint64_t>(now));
    const Json event = {
        {"metadata",
         {{"name", absl::StrFormat("%s.%016x", Cut(NameOf(regarding), kLongestName), id)},
          {"namespace", name_space.empty() ? "default" : name_space}}},
        {"eventTime", ToMicroTime(now)},
        {"reportingController", options_.controller},
        {"reportingInstance", Cut(options_.instance, kLongestReason)},
        {"action", Cut(action, kLongestReason)},
        {"reason", Cut(reason, kLongestReason)},
        {"note", Cut(note, kLongestNote)},
        {"type", type},
        {"regarding",
         {{"apiVersion", TextAt(regarding, {"apiVersion"})},
          {"kind", TextAt(regarding, {"kind"})},
          {"name", NameOf(regarding)},
          {"namespace", name_space},
          {"uid", UidOf(regarding)}}}};
    return event.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  void Repeat(const std::string& key, Series& series, Clock::Time now) {
    ++series.count;
    series.seen = now;
    series.seen_micros = clock_.WallMicros();
    if (series.due) return;
    Schedule(key, series, std::max(now, series.written.value_or(now) + options_.series_period));
  }

  void Schedule(const std::string& key, Series& series, Clock::Time time) {
    series.due = time;
    due_.emplace(time, key);
    changed_.notify_all();
  }

  bool HasToken(const std::string& object, Clock::Time now) {
    const auto [at, added] = buckets_.try_emplace(object);
    Bucket& bucket = at->second;
    if (added) {
      bucket.tokens = options_.burst;
    } else {
      const std::chrono::duration<double> passed = now - bucket.at;
      const std::chrono::duration<double> refill = options_.refill;
      bucket.tokens = std::min<double>(options_.burst, bucket.tokens + passed / refill);
    }
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  // Forgets what no longer has a say.
  void Prune(Clock::Time now) {
    if (now < prune_at_) return;
    prune_at_ = now + kPruneEvery;
    std::erase_if(series_, [&](const auto& one) {
      return !one.second.due && now - one.second.seen > options_.series_window;
    });
    std::erase_if(buckets_, [&](const auto& one) {
      return now - one.second.at > options_.refill * options_.burst;
    });
  }

  void Run(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      Prune(clock_.Now());
      const bool idle = series_.empty() && buckets_.empty();
      Clock::Time until = idle ? clock_.Now() + std::chrono::hours(1) : prune_at_;
      if (!due_.empty()) until = std::min(until, due_.begin()->first);
      clock_.WaitUntil(lock, changed_, until, [&] {
        return stop.stop_requested() ||
               (!due_.empty() && (flushing_ || due_.begin()->first < until));
      });
      if (stop.stop_requested()) return;
      if (due_.empty() || (!flushing_ && due_.begin()->first > clock_.Now())) continue;
      const std::string key = due_.begin()->second;
      due_.erase(due_.begin());
      WriteOne(key, lock);
      changed_.notify_all();
    }
  }

  // Without the lock while the server is asked.
  void WriteOne(const std::string& key, std::unique_lock<std::mutex>& lock) {
    Series& series = series_[key];
    series.due.reset();
    const bool exists = series.written.has_value();
    const int64_t count = series.count;
    Json event = Json::parse(series.event);
    if (count > 1) {
      event["series"] = {{"count", count}, {"lastObservedTime", ToMicroTime(series.seen_micros)}};
    }
    writing_ = true;
    lock.unlock();
    absl::Status status = Write(event, exists);
    lock.lock();
    writing_ = false;
    Settle(key, status);
  }

  absl::Status Write(const Json& event, bool exists) {
    if (exists) {
      const absl::Status patched =
          client_.Patch(kEvents, KeyOf(event), PatchType::kMerge, {{"series", event["series"]}})
              .status();
      if (!absl::IsNotFound(patched)) return patched;
    }
    const absl::Status created = client_.Create(kEvents, event).status();
    return absl::IsAlreadyExists(created) ? absl::OkStatus() : created;
  }

  void Settle(const std::string& key, const absl::Status& status) {
    const auto at = series_.find(key);
    if (at == series_.end()) return;
    Series& series = at->second;
    if (status.ok()) {
      options_.probe->EventWritten();
      series.written = clock_.Now();
      series.attempts = 0;
      return;
    }
    const bool again = !flushing_ && !ApiErrorOf(status) && ++series.attempts < kMostAttempts;
    if (again) {
      if (!series.due) Schedule(key, series, clock_.Now() + kTryAgain);
      return;
    }
    options_.probe->EventDropped();
    if (!series.due) series_.erase(at);
  }

  Client& client_;
  const Options options_;
  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Series> series_;
  std::map<std::string, Bucket> buckets_;  // by object
  std::multimap<Clock::Time, std::string> due_;
  Clock::Time prune_at_{};
  bool flushing_ = false;
  bool writing_ = false;
  std::jthread thread_;
};

EventRecorder::EventRecorder(Client& client, Options options)
    : writer_(std::make_unique<Writer>(client, std::move(options))) {}
EventRecorder::~EventRecorder() = default;

void EventRecorder::Normal(const Json& regarding, std::string_view reason, std::string_view action,
                           std::string_view note) {
  writer_->Record("Normal", regarding, reason, action, note);
}
void EventRecorder::Warning(const Json& regarding, std::string_view reason, std::string_view action,
                            std::string_view note) {
  writer_->Record("Warning", regarding, reason, action, note);
}
bool EventRecorder::Flush(std::chrono::milliseconds limit) { return writer_->Flush(limit); }

}  // namespace levada::kube
