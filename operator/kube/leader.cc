#include "operator/kube/leader.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "core/base/log.h"
#include "core/base/random.h"
#include "operator/kube/errors.h"

namespace levada::kube {
namespace {

std::string HolderOf(const Json& lease) { return TextAt(lease, {"spec", "holderIdentity"}); }

}  // namespace

class Elector::Loop {
 public:
  Loop(std::shared_ptr<Transport> transport, Options options)
      : options_(std::move(options)),
        clock_(*options_.clock),
        // Its requests never outlast the time in which they are of use.
        client_(std::move(transport), {.timeout = options_.renew_deadline / 2,
                                       .time_to_write = [this] { return TimeToRenew(); },
                                       .clock = options_.clock,
                                       .probe = options_.probe}),
        random_(base::RandomSeed()) {}

  ~Loop() { Stop(); }

  void Start(Callbacks callbacks) {
    callbacks_ = std::move(callbacks);
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

  bool IsLeader() const {
    const std::lock_guard lock(mutex_);
    return leading_ && clock_.Now() < renewed_ + options_.renew_deadline;
  }

  std::chrono::milliseconds TimeToWrite() const {
    const std::lock_guard lock(mutex_);
    const Clock::Time now = clock_.Now();
    if (!leading_ || now >= renewed_ + options_.renew_deadline) return {};
    return std::chrono::duration_cast<std::chrono::milliseconds>(renewed_ +
                                                                 options_.lease_duration - now);
  }

  std::string Leader() const {
    const std::lock_guard lock(mutex_);
    return leader_;
  }

 private:
  std::chrono::milliseconds TimeToRenew() const {
    const std::lock_guard lock(mutex_);
    if (!leading_) return options_.renew_deadline / 2;
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        renewed_ + options_.renew_deadline - clock_.Now());
  }

  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      // Others count from when they see our renewal, which is after this.
      const Clock::Time start = clock_.Now();
      const absl::Status held = AcquireOrRenew();
      if (held.ok()) {
        Held(start);
      } else if (Leading() &&
                 (clock_.Now() >= Deadline() || HolderOf(observed_) != options_.identity)) {
        Lost(held);
      }
      ReportLeader();
      Wait(stop);
    }
    if (!Leading()) return;
    Lost(absl::CancelledError("stopped"));
    if (options_.release_on_stop) Release();
  }

  bool Leading() const {
    const std::lock_guard lock(mutex_);
    return leading_;
  }

  Clock::Time Deadline() const {
    const std::lock_guard lock(mutex_);
    return renewed_ + options_.renew_deadline;
  }

  void Wait(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    Clock::Time until = clock_.Now() + options_.retry_period;
    if (leading_) {
      until = std::min(until, renewed_ + options_.renew_deadline);
    } else {
      // Those who wait do not all ask at once.
      until += std::chrono::milliseconds(
          random_.Below(static_cast<uint64_t>(options_.retry_period.count()) / 4 + 1));
    }
    clock_.WaitUntil(lock, changed_, until, [&] { return stop.stop_requested(); });
  }

  void Held(Clock::Time start) {
    {
      const std::lock_guard lock(mutex_);
      renewed_ = start;
      if (std::exchange(leading_, true)) return;
    }
    base::LogInfo("leading", {{"lease", options_.lease.ToText()}});
    options_.probe->Leading(true);
    if (callbacks_.on_started) callbacks_.on_started();
  }

  void Lost(const absl::Status& why) {
    {
      const std::lock_guard lock(mutex_);
      leading_ = false;
    }
    base::LogWarn("no longer leading",
                  {{"lease", options_.lease.ToText()}, {"why", why.message()}});
    options_.probe->Leading(false);
    if (callbacks_.on_stopped) callbacks_.on_stopped();
  }

  void ReportLeader() {
    const std::string now = HolderOf(observed_);
    {
      const std::lock_guard lock(mutex_);
      if (now == leader_) return;
      leader_ = now;
    }
    if (callbacks_.on_new_leader && !now.empty()) callbacks_.on_new_leader(now);
  }

  // OK: the Lease is ours, renewed just now.
  absl::Status AcquireOrRenew() {
    // The usual case, without reading first: nobody has touched it since we wrote it.
    if (Leading() && HolderOf(observed_) == options_.identity) {
      const absl::Status renewed = Write(observed_);
      if (!IsConflict(renewed) && !absl::IsNotFound(renewed)) return renewed;
    }
    auto live = client_.Get(kLeases, options_.lease);
    if (absl::IsNotFound(live.status())) {
      const absl::Status created = Write(Json::object());
      if (!absl::IsAlreadyExists(created)) return created;
      live = client_.Get(kLeases, options_.lease);
    }
    if (!live.ok()) return live.status();
    Observe(*live);
    const std::string holder = HolderOf(*live);
    if (!holder.empty() && holder != options_.identity && clock_.Now() < TakeableAt(*live)) {
      return absl::UnavailableError("held by " + holder);
    }
    return Write(*live);
  }

  // When somebody else's Lease counts as abandoned: by our clock, since we last saw it change.
  Clock::Time TakeableAt(const Json& lease) const {
    const std::chrono::seconds declared(IntAt(lease, {"spec", "leaseDurationSeconds"}));
    return observed_at_ +
           std::max<Clock::Duration>(options_.lease_duration, std::min(declared, kLongest));
  }

  void Observe(const Json& lease) {
    if (ResourceVersionOf(observed_) == ResourceVersionOf(lease)) return;
    observed_ = lease;
    observed_at_ = clock_.Now();
  }

  // Makes the Lease ours, unless it has changed since `lease`; an empty one is created.
  absl::Status Write(Json lease) {
    const bool exists = !lease.empty();
    const bool ours = HolderOf(lease) == options_.identity;
    const std::string now = ToMicroTime(clock_.WallMicros());
    lease["metadata"]["name"] = options_.lease.name;
    lease["metadata"]["namespace"] = options_.lease.name_space;
    Json& spec = lease["spec"];
    const int64_t transitions = IntAt(lease, {"spec", "leaseTransitions"});
    spec["holderIdentity"] = options_.identity;
    spec["leaseDurationSeconds"] = Seconds(options_.lease_duration);
    spec["renewTime"] = now;
    if (!ours) spec["acquireTime"] = now;
    spec["leaseTransitions"] = ours || !exists ? transitions : transitions + 1;
    auto written = exists ? client_.Update(kLeases, lease) : client_.Create(kLeases, lease);
    if (!written.ok()) return written.status();
    Observe(*written);
    return absl::OkStatus();
  }

  void Release() {
    if (HolderOf(observed_) != options_.identity) return;
    Json lease = observed_;
    lease["spec"]["holderIdentity"] = "";
    lease["spec"]["leaseDurationSeconds"] = 1;
    lease["spec"]["renewTime"] = ToMicroTime(clock_.WallMicros());
    const auto released = client_.Update(kLeases, lease);
    if (!released.ok()) {
      base::LogWarn("lease not given back", {{"error", released.status().message()}});
    }
  }

  // The field must be above zero.
  static int64_t Seconds(std::chrono::milliseconds span) {
    return std::max<int64_t>(1, std::chrono::ceil<std::chrono::seconds>(span).count());
  }

  static constexpr std::chrono::seconds kLongest{300};

  const Options options_;
  Clock& clock_;
  Client client_;
  Callbacks callbacks_;
  base::Random random_;
  // Of the elector's thread:
  Json observed_ = Json::object();
  Clock::Time observed_at_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool leading_ = false;
  Clock::Time renewed_;  // when the last request that renewed began
  std::string leader_;
  std::jthread thread_;
};

absl::StatusOr<std::unique_ptr<Elector>> Elector::Create(std::shared_ptr<Transport> transport,
                                                         Options options) {
  if (options.lease.name.empty() || options.lease.name_space.empty() || options.identity.empty()) {
    return absl::InvalidArgumentError("an election needs a lease, its namespace and an identity");
  }
  if (options.retry_period.count() <= 0 || options.retry_period >= options.renew_deadline ||
      options.renew_deadline >= options.lease_duration) {
    return absl::InvalidArgumentError(
        "retry period, renew deadline and lease duration must be above zero and ascend");
  }
  return std::unique_ptr<Elector>(
      new Elector(std::make_unique<Loop>(std::move(transport), std::move(options))));
}

Elector::Elector(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}
Elector::~Elector() = default;

void Elector::Start(Callbacks callbacks) { loop_->Start(std::move(callbacks)); }
void Elector::Stop() { loop_->Stop(); }
bool Elector::IsLeader() const { return loop_->IsLeader(); }
std::chrono::milliseconds Elector::TimeToWrite() const { return loop_->TimeToWrite(); }
std::string Elector::Leader() const { return loop_->Leader(); }

}  // namespace levada::kube
