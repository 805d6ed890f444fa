#include "operator/kube/informer.h"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "core/base/backoff.h"
#include "core/base/log.h"
#include "core/base/random.h"
#include "core/base/strings.h"
#include "operator/kube/errors.h"

namespace levada::kube {
namespace {

// A watch that ends sooner without an event is not taken up at once: a server that ends each at
// once must not be asked in a loop.
constexpr std::chrono::seconds kShortWatch{1};

}  // namespace

class Informer::Loop {
 public:
  Loop(Client& client, Options options)
      : store(options.index_label),
        client_(client),
        options_(std::move(options)),
        clock_(*options_.clock),
        backoff_(options_.first_wait, options_.longest_wait),
        random_(base::RandomSeed()) {}

  ~Loop() { Stop(); }

  void AddHandler(Handler handler) { handlers_.push_back(std::move(handler)); }

  void Start() {
    thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      thread_.request_stop();
    }
    changed_.notify_all();
    thread_.join();
  }

  bool WaitForSync(std::chrono::milliseconds limit) {
    std::unique_lock lock(mutex_);
    return clock_.WaitUntil(lock, changed_, clock_.Now() + limit, [&] { return synced_; });
  }

  bool HasSynced() const {
    const std::lock_guard lock(mutex_);
    return synced_;
  }

  absl::Status Health() const {
    const std::lock_guard lock(mutex_);
    return health_;
  }

  ObjectStore store;

 private:
  void Run(std::stop_token stop) {
    std::string version;  // to watch from; empty: list first
    std::string_view why = "start";
    while (!stop.stop_requested()) {
      if (version.empty()) {
        const absl::Status listed = Relist(why, stop, &version);
        if (!listed.ok()) {
          Failed(listed, stop);
          continue;
        }
        MarkSynced();
      }
      const absl::Status watched = WatchOnce(stop, &version);
      if (stop.stop_requested()) return;
      if (watched.ok()) continue;
      if (absl::IsDeadlineExceeded(watched)) {
        Ended("idle");
      } else if (IsExpired(watched)) {
        Ended("expired");
        why = "expired";
        version.clear();
      } else {
        Ended("error");
        Failed(watched, stop);
      }
    }
  }

  // Lists everything, tells the differences, and gives the version to watch from.
  absl::Status Relist(std::string_view why, const std::stop_token& stop, std::string* version) {
    options_.probe->Relisted(options_.resource, why);
    std::set<ObjectKey> seen;
    const ListOptions what{options_.name_space, options_.label_selector, options_.field_selector,
                           options_.page, options_.metadata_only};
    const auto each = [&](Json object) {
      if (stop.stop_requested()) return;
      seen.insert(KeyOf(object));
      Put(std::move(object));
    };
    auto listed = client_.List(options_.resource, what, each, [&] { seen.clear(); });
    if (!listed.ok()) return listed.status();
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    for (const ObjectKey& key : store.Keys()) {
      if (!seen.contains(key)) Erase(key);
    }
    *version = *listed;
    Recovered();
    return absl::OkStatus();
  }

  absl::Status WatchOnce(const std::stop_token& stop, std::string* version) {
    WatchOptions what{.name_space = options_.name_space,
                      .label_selector = options_.label_selector,
                      .field_selector = options_.field_selector,
                      .metadata_only = options_.metadata_only,
                      .resource_version = *version,
                      // Not all informers at once.
                      .timeout = options_.watch_timeout +
                                 std::chrono::seconds(
                                     random_.Below(uint64_t(options_.watch_timeout.count()) + 1)),
                      .idle = options_.idle};
    const Clock::Time start = clock_.Now();
    bool heard = false;
    const absl::Status ended = client_.Watch(
        options_.resource, what,
        [&](WatchEvent event) {
          if (stop.stop_requested()) return false;
          if (!heard) Recovered();
          heard = true;
          *version = ResourceVersionOf(event.object);
          if (event.type == WatchEvent::Type::kDeleted) {
            Erase(KeyOf(event.object), &event.object);
          } else if (event.type != WatchEvent::Type::kBookmark) {
            Put(std::move(event.object));
          }
          return true;
        },
        stop);
    if (!ended.ok()) return ended;
    if (!heard && clock_.Now() - start < kShortWatch) {
      return absl::UnavailableError(
          base::StrCat("watch ", options_.resource.plural, ": ended at once"));
    }
    Recovered();
    Ended("timeout");
    return ended;
  }

  void Put(Json object) {
    options_.transform(&object);
    const ObjectStore::Change change = store.Put(object);
    if (!change.changed) return;
    TellSize();
    Tell(change.before ? &*change.before : nullptr, &object);
  }

  // `last` is the object as it was deleted; else what was known of it counts.
  void Erase(const ObjectKey& key, Json* last = nullptr) {
    const std::optional<Json> before = store.Erase(key);
    if (!before) return;
    TellSize();
    if (last != nullptr) options_.transform(last);
    Tell(last != nullptr ? last : &*before, nullptr);
  }

  void Tell(const Json* before, const Json* after) {
    for (const Handler& handler : handlers_) {
      if (handler.on_change) handler.on_change(before, after);
    }
  }

  void TellSize() { options_.probe->CacheSize(options_.resource, store.size(), store.bytes()); }

  void MarkSynced() {
    TellSize();
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(synced_, true)) return;
    }
    changed_.notify_all();
    for (const Handler& handler : handlers_) {
      if (handler.on_synced) handler.on_synced();
    }
  }

  void Ended(std::string_view why) { options_.probe->WatchEnded(options_.resource, why); }

  void Recovered() {
    backoff_.Reset();
    const std::lock_guard lock(mutex_);
    health_ = absl::OkStatus();
  }

  void Failed(const absl::Status& status, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (stop.stop_requested()) return;
    if (health_.ok()) {
      base::LogWarn("cannot follow the API server",
                    {{"resource", options_.resource.plural}, {"error", status.message()}});
    }
    health_ = status;
    clock_.WaitUntil(lock, changed_, clock_.Now() + backoff_.Next(),
                     [&] { return stop.stop_requested(); });
  }

  Client& client_;
  const Options options_;
  Clock& clock_;
  std::vector<Handler> handlers_;
  base::Backoff backoff_;
  base::Random random_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool synced_ = false;
  absl::Status health_;
  std::jthread thread_;
};

Informer::Informer(Client& client, Options options)
    : loop_(std::make_unique<Loop>(client, std::move(options))) {}
Informer::~Informer() = default;

void Informer::AddHandler(Handler handler) { loop_->AddHandler(std::move(handler)); }
void Informer::Start() { loop_->Start(); }
void Informer::Stop() { loop_->Stop(); }
bool Informer::HasSynced() const { return loop_->HasSynced(); }
bool Informer::WaitForSync(std::chrono::milliseconds limit) const {
  return loop_->WaitForSync(limit);
}
absl::Status Informer::Health() const { return loop_->Health(); }

std::optional<Json> Informer::Get(const ObjectKey& key) const { return loop_->store.Get(key); }
bool Informer::Contains(const ObjectKey& key) const { return loop_->store.Contains(key); }
std::vector<Json> Informer::All() const { return loop_->store.All(); }
std::vector<Json> Informer::OfLabel(std::string_view name_space, std::string_view value) const {
  return loop_->store.OfLabel(name_space, value);
}
std::vector<ObjectVersion> Informer::VersionsOfLabel(std::string_view name_space,
                                                     std::string_view value) const {
  return loop_->store.VersionsOfLabel(name_space, value);
}
std::vector<ObjectKey> Informer::Keys() const { return loop_->store.Keys(); }
size_t Informer::size() const { return loop_->store.size(); }

}  // namespace levada::kube
