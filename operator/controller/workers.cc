#include "operator/controller/workers.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "core/base/random.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/http/fetch.h"
#include "operator/controller/pod_trouble.h"
#include "operator/render/names.h"

namespace levada::controller {
namespace {

using kube::Json;
using kube::ObjectKey;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kIdle{1'000};
constexpr milliseconds kTurn{50};
constexpr milliseconds kAfterChange{500};
constexpr size_t kMostAtOnce = 256;
constexpr size_t kLongestText = 1024;
constexpr char kMetricsPort[] = "metrics";

// Cut between characters.
std::string Cut(std::string text) {
  if (text.size() <= kLongestText) return text;
  size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text;
}

// protobuf's JSON has 64-bit numbers as text. Zero where there is none.
int64_t CountAt(const Json& status, const char* key) {
  int64_t count = 0;
  if (!absl::SimpleAtoi(kube::TextAt(status, {key}), &count)) count = kube::IntAt(status, {key});
  return std::max<int64_t>(count, 0);
}

// -1: there is none.
double MillisAt(const Json& status, const char* key) {
  const Json* const value = kube::Find(status, {key});
  return value != nullptr && value->is_number() ? std::max(value->get<double>(), -1.0) : -1;
}

// What a worker has answered.
struct Answer {
  int64_t errors = 0;
  int64_t dead_letters = 0;
  int64_t late_events = 0;
  std::string last_error;
  int64_t last_error_micros = 0;
  double p50_ms = -1;
  double p99_ms = -1;
  std::string message;

  bool operator==(const Answer&) const = default;
};

// nullopt: something else listens there.
std::optional<Answer> ReadAnswer(const std::string& body) {
  const Json status = Json::parse(body, nullptr, false);
  if (!status.is_object() || !status.contains("state")) return std::nullopt;
  Answer answer{.errors = CountAt(status, "errors"),
                .dead_letters = CountAt(status, "deadLetters"),
                .late_events = CountAt(status, "lateEvents"),
                .p50_ms = MillisAt(status, "latencyP50Ms"),
                .p99_ms = MillisAt(status, "latencyP99Ms"),
                .message = Cut(kube::TextAt(status, {"message"}))};
  const auto at = base::ParseTimestamp(kube::TextAt(status, {"lastErrorTime"}));
  if (at.ok()) {
    answer.last_error = Cut(kube::TextAt(status, {"lastError"}));
    answer.last_error_micros = *at;
  }
  return answer;
}

// A latency that has changed by less than a quarter is told as it was: no status would ever rest.
double Steady(double before, double now) {
  const bool near =
      before >= 0 && now >= 0 && std::fabs(before - now) < 0.25 * std::max(before, now);
  return near ? before : now;
}

struct Pod {
  ObjectKey pipeline;
  std::string stage;
  std::string uid;
  std::string address;
  uint16_t port = 0;
  bool ready = false;
  std::string trouble;  // why it does not run, by its own status

  bool operator==(const Pod&) const = default;
};

const Json* ListAt(const Json& object, std::initializer_list<std::string_view> path) {
  static const Json kEmpty = Json::array();
  const Json* list = kube::Find(object, path);
  return list != nullptr && list->is_array() ? list : &kEmpty;
}

// nullopt: not the pod of a stage, or one that has ended or is about to.
std::optional<Pod> ReadPod(const Json& object) {
  Pod pod{.pipeline = {kube::NamespaceOf(object), kube::LabelOf(object, render::kPipelineLabel)},
          .stage = kube::LabelOf(object, render::kStageLabel),
          .uid = kube::UidOf(object),
          .address = kube::TextAt(object, {"status", "podIP"})};
  const std::string phase = kube::TextAt(object, {"status", "phase"});
  if (pod.pipeline.name.empty() || pod.stage.empty() || kube::IsBeingDeleted(object) ||
      phase == "Failed" || phase == "Succeeded") {
    return std::nullopt;
  }
  for (const Json& container : *ListAt(object, {"spec", "containers"})) {
    for (const Json& port : *ListAt(container, {"ports"})) {
      if (kube::TextAt(port, {"name"}) != kMetricsPort) continue;
      pod.port = static_cast<uint16_t>(kube::IntAt(port, {"containerPort"}));
    }
  }
  for (const Json& condition : *ListAt(object, {"status", "conditions"})) {
    if (kube::TextAt(condition, {"type"}) != "Ready") continue;
    pod.ready = kube::TextAt(condition, {"status"}) == "True";
  }
  if (!pod.ready) pod.trouble = Cut(TroubleOf(object));
  return pod;
}

struct Worker {
  Pod pod;
  std::optional<Answer> answer;
  int failures = 0;
  bool asked = false;  // an answer is under way
  Clock::time_point due;
};

}  // namespace

class Workers::Poll {
 public:
  explicit Poll(Options options) : options_(options), random_(base::RandomSeed()) {}
  ~Poll() { Stop(); }

  void Start(OnChange on_change) {
    on_change_ = std::move(on_change);
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
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

  void Follow(const Json* before, const Json* after) {
    const ObjectKey key = kube::KeyOf(after != nullptr ? *after : *before);
    std::optional<Pod> pod = after == nullptr ? std::nullopt : ReadPod(*after);
    const std::lock_guard lock(mutex_);
    const auto known = workers_.find(key);
    if (known != workers_.end()) {
      if (pod && known->second.pod == *pod) return;
      pending_.insert(known->second.pod.pipeline);
      if (!pod || pod->uid != known->second.pod.uid ||
          pod->pipeline != known->second.pod.pipeline) {
        Erase(known);
      }
    }
    if (!pod) return;
    pending_.insert(pod->pipeline);
    by_pipeline_[pod->pipeline].insert(key);
    Worker& worker = workers_[key];
    worker.pod = *std::move(pod);
    worker.failures = 0;
    Schedule(key, worker, kAfterChange);
    changed_.notify_all();
  }

  Reported Of(const ObjectKey& pipeline, const std::string& stage) const {
    Reported sum;
    const std::lock_guard lock(mutex_);
    const auto pods = by_pipeline_.find(pipeline);
    if (pods == by_pipeline_.end()) return sum;
    for (const ObjectKey& key : pods->second) {
      const Worker& worker = workers_.at(key);
      if (worker.pod.stage == stage) Add(key, worker, &sum);
    }
    return sum;
  }

 private:
  using All = std::map<ObjectKey, Worker>;

  static void Add(const ObjectKey& key, const Worker& worker, Reported* sum) {
    std::string waiting = worker.pod.ready ? "" : worker.pod.trouble;
    if (worker.answer) {
      sum->known = true;
      sum->errors += worker.answer->errors;
      sum->dead_letters += worker.answer->dead_letters;
      sum->late_events += worker.answer->late_events;
      sum->p50_ms = std::max(sum->p50_ms, worker.answer->p50_ms);
      sum->p99_ms = std::max(sum->p99_ms, worker.answer->p99_ms);
      if (worker.answer->last_error_micros > sum->last_error_micros) {
        sum->last_error = worker.answer->last_error;
        sum->last_error_micros = worker.answer->last_error_micros;
      }
      if (!worker.pod.ready && waiting.empty()) waiting = worker.answer->message;
    }
    if (sum->waiting.empty() && !waiting.empty()) {
      sum->waiting = base::StrCat(key.name, ": ", waiting);
    }
  }

  void Run(const std::stop_token& stop) {
    http::Fetcher fetcher({.timeout = options_.timeout});
    while (!stop.stop_requested()) {
      Ask(&fetcher);
      Tell();
      if (fetcher.under_way() > 0) {
        fetcher.RunFor(kTurn);
        continue;
      }
      std::unique_lock lock(mutex_);
      if (stop.stop_requested()) return;
      auto until = Clock::now() + (pending_.empty() ? kIdle : kTurn);
      if (!due_.empty()) until = std::min(until, std::max(slot_, due_.begin()->first));
      changed_.wait_until(lock, until);
    }
  }

  // Those that are due, as many as the budget allows.
  void Ask(http::Fetcher* fetcher) {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    slot_ = std::max(slot_, now - kTurn);
    while (!due_.empty() && due_.begin()->first <= now && slot_ <= now &&
           fetcher->under_way() < kMostAtOnce) {
      const ObjectKey key = due_.begin()->second;
      due_.erase(due_.begin());
      Worker& worker = workers_.at(key);
      if (worker.pod.address.empty() || worker.pod.port == 0) continue;  // until it changes
      slot_ += std::chrono::nanoseconds(std::chrono::seconds(1)) / options_.per_second;
      worker.asked = true;
      fetcher->Get(worker.pod.address, worker.pod.port, "/status",
                   [this, key, uid = worker.pod.uid](const absl::StatusOr<std::string>& body) {
                     Answered(key, uid, body.ok() ? ReadAnswer(*body) : std::nullopt);
                   });
    }
  }

  void Answered(const ObjectKey& key, const std::string& uid, std::optional<Answer> answer) {
    const std::lock_guard lock(mutex_);
    const auto found = workers_.find(key);
    if (found == workers_.end() || found->second.pod.uid != uid) return;
    Worker& worker = found->second;
    worker.asked = false;
    milliseconds next = worker.pod.ready ? options_.every : options_.soon;
    if (answer) {
      worker.failures = 0;
      if (worker.answer) {
        answer->p50_ms = Steady(worker.answer->p50_ms, answer->p50_ms);
        answer->p99_ms = Steady(worker.answer->p99_ms, answer->p99_ms);
      }
      if (worker.answer != answer) pending_.insert(worker.pod.pipeline);
      worker.answer = std::move(answer);
    } else {
      next = std::min(options_.longest, next * (2 << std::min(worker.failures++, 10)));
    }
    // What began together does not go on together.
    Schedule(key, worker, next + milliseconds(random_.Below(uint64_t(next.count()) / 8 + 1)));
  }

  void Schedule(const ObjectKey& key, Worker& worker, milliseconds in) {
    due_.erase({worker.due, key});
    worker.due = Clock::now() + in;
    if (!worker.asked) due_.emplace(worker.due, key);
  }

  void Erase(All::iterator at) {
    due_.erase({at->second.due, at->first});
    const auto pods = by_pipeline_.find(at->second.pod.pipeline);
    pods->second.erase(at->first);
    if (pods->second.empty()) by_pipeline_.erase(pods);
    workers_.erase(at);
  }

  void Tell() {
    std::vector<ObjectKey> now_told;
    {
      const std::lock_guard lock(mutex_);
      const auto now = Clock::now();
      std::erase_if(told_, [&](const auto& told) { return told.second + options_.quiet <= now; });
      std::erase_if(pending_, [&](const ObjectKey& pipeline) {
        if (!told_.emplace(pipeline, now).second) return false;
        now_told.push_back(pipeline);
        return true;
      });
    }
    for (const ObjectKey& pipeline : now_told) on_change_(pipeline);
  }

  const Options options_;
  OnChange on_change_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  All workers_;
  std::map<ObjectKey, std::set<ObjectKey>> by_pipeline_;
  std::set<std::pair<Clock::time_point, ObjectKey>> due_;
  std::set<ObjectKey> pending_;  // pipelines of which something is to be told
  std::map<ObjectKey, Clock::time_point> told_;
  Clock::time_point slot_;  // of the next question
  base::Random random_;
  std::jthread thread_;
};

Workers::Workers(Options options) : poll_(std::make_unique<Poll>(options)) {}
Workers::~Workers() = default;

void Workers::Start(OnChange on_change) { poll_->Start(std::move(on_change)); }
void Workers::Stop() { poll_->Stop(); }
void Workers::Follow(const Json* before, const Json* after) { poll_->Follow(before, after); }
Reported Workers::Of(const ObjectKey& pipeline, const std::string& stage) const {
  return poll_->Of(pipeline, stage);
}

void Workers::KeepOfPod(Json* pod) {
  Json kept = {{"metadata", Json::object()}, {"spec", {{"containers", Json::array()}}}};
  if (const Json* metadata = kube::Find(*pod, {"metadata"})) {
    for (const char* key :
         {"name", "namespace", "uid", "resourceVersion", "labels", "deletionTimestamp"}) {
      if (metadata->contains(key)) kept["metadata"][key] = (*metadata)[key];
    }
  }
  for (const Json& container : *ListAt(*pod, {"spec", "containers"})) {
    kept["spec"]["containers"].push_back({{"ports", *ListAt(container, {"ports"})}});
  }
  for (const char* key :
       {"phase", "podIP", "conditions", "containerStatuses", "initContainerStatuses"}) {
    if (const Json* value = kube::Find(*pod, {"status", key})) kept["status"][key] = *value;
  }
  *pod = std::move(kept);
}

}  // namespace levada::controller
