#include "services/scoring/peers/directory.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/kafka/groups.h"
#include "services/scoring/peers/address.h"

namespace levada::scoring::peers {
namespace {

using Clock = Directory::Clock;

constexpr std::chrono::seconds kFresh{5};
constexpr std::chrono::seconds kLongest{60};
constexpr std::chrono::milliseconds kPause{200};  // between two looks
constexpr size_t kMaxWaiting = 4096;
constexpr std::chrono::milliseconds kLookWithin{1500};

class CachedDirectory : public Directory {
 public:
  explicit CachedDirectory(Look look)
      : look_(std::move(look)), thread_([this] { LookWhenAsked(); }) {}

  ~CachedDirectory() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    asked_.notify_all();
    thread_.join();
    Answer(std::move(waiting_), absl::UnavailableError("this worker is ending"));
  }

  void Find(int32_t partition, Clock::time_point not_before, Found done) override {
    std::unique_lock lock(mutex_);
    if (Clock::now() - seen_at_ < kFresh && seen_at_ >= not_before) {
      absl::StatusOr<std::string> found = Owner(partition, absl::OkStatus());
      if (found.ok()) {
        lock.unlock();
        return done(std::move(found));
      }
    }
    if (waiting_.size() >= kMaxWaiting) {
      lock.unlock();
      return done(absl::UnavailableError("too many events wait to hear who has their key"));
    }
    waiting_.push_back({partition, std::move(done)});
    asked_.notify_one();
  }

 private:
  struct Waiting {
    int32_t partition = 0;
    Found done;
  };

  void LookWhenAsked() {
    std::unique_lock lock(mutex_);
    while (true) {
      asked_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      asked_.wait_until(lock, looked_at_ + kPause, [this] { return ending_; });
      if (ending_) return;
      // Who asks during the look may have seen what it does not show yet.
      std::vector<Waiting> waiting = std::move(waiting_);
      waiting_.clear();
      looked_at_ = Clock::now();
      lock.unlock();
      absl::StatusOr<Owners> owners = look_();
      lock.lock();
      if (owners.ok()) {
        owners_ = *std::move(owners);
        seen_at_ = looked_at_;
      }
      if (Clock::now() - seen_at_ > kLongest) owners_.clear();
      std::vector<absl::StatusOr<std::string>> found;
      for (const Waiting& one : waiting) found.push_back(Owner(one.partition, owners.status()));
      lock.unlock();
      for (size_t i = 0; i < waiting.size(); ++i) waiting[i].done(std::move(found[i]));
      lock.lock();
    }
  }

  absl::StatusOr<std::string> Owner(int32_t partition, const absl::Status& looked) const {
    const auto found = owners_.find(partition);
    if (found != owners_.end()) return found->second;
    if (!looked.ok()) return absl::UnavailableError(looked.message());
    return absl::UnavailableError(
        base::StrCat("no worker says that it answers for partition ", partition));
  }

  static void Answer(std::vector<Waiting> waiting, const absl::Status& status) {
    for (const Waiting& one : waiting) one.done(status);
  }

  const Look look_;
  std::mutex mutex_;
  std::condition_variable asked_;
  std::vector<Waiting> waiting_;
  Owners owners_;
  Clock::time_point seen_at_ = Clock::now() - kLongest;  // when a look that succeeded began
  Clock::time_point looked_at_ = Clock::now() - kPause;
  bool ending_ = false;
  std::thread thread_;  // the last: it uses the others
};

}  // namespace

std::unique_ptr<Directory> NewDirectory(Look look) {
  return std::make_unique<CachedDirectory>(std::move(look));
}

Look LookAtGroup(const kafka::ClientConfig& kafka, std::string group, std::string topic) {
  std::shared_ptr<kafka::Groups> groups;
  return [=]() mutable -> absl::StatusOr<Owners> {
    if (groups == nullptr) {
      auto made = kafka::Groups::Create(kafka, kLookWithin);
      if (!made.ok()) return made.status();
      groups = *std::move(made);
    }
    auto members = groups->Members(group, topic);
    if (!members.ok()) return members.status();
    Owners owners;
    for (const kafka::GroupMember& member : *members) {
      auto address = ParseAddress(member.client_id, member.host);
      // Another version of Levada, or another program.
      if (!address.ok()) continue;
      for (const int32_t partition : member.partitions) owners[partition] = *address;
    }
    return owners;
  };
}

}  // namespace levada::scoring::peers
