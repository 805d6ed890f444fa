#include "operator/topics/cluster.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/backoff.h"
#include "core/base/log.h"
#include "core/base/strings.h"

namespace levada::topics {
namespace {

using controller::PipelineInKafka;
using std::chrono::milliseconds;

std::vector<autoscale::PartitionLoad> AsPartitions(const Load& load) {
  std::vector<autoscale::PartitionLoad> partitions;
  for (size_t i = 0; i < load.end.size(); ++i) partitions.push_back({load.end[i], load.lag[i]});
  return partitions;
}

int64_t LagOf(const Load& load) {
  return std::accumulate(load.lag.begin(), load.lag.end(), int64_t{0});
}

// By more than a tenth.
bool Differ(double a, double b) {
  return std::fabs(a - b) > 0.1 * std::max(std::fabs(a), std::fabs(b));
}

Row* RowOf(Decision* decision, const std::string& topic) {
  for (Row& row : decision->rows) {
    if (row.name == topic) return &row;
  }
  return nullptr;
}

void Fail(Decision* decision, const std::string& topic, const absl::Status& status) {
  Row* row = RowOf(decision, topic);
  if (row == nullptr) return;
  row->ready = false;
  row->message = std::string(status.message());
}

}  // namespace

Cluster::Cluster(kafka::ClientConfig config, Timing timing, Registry& registry, OnChange on_change)
    : config_(std::move(config)),
      timing_(timing),
      registry_(registry),
      on_change_(std::move(on_change)),
      lag_(config_, timing.call_timeout),
      thread_([this] {
        Run();
        lag_.Close();
        admin_.reset();
        const std::lock_guard lock(mutex_);
        ended_ = true;
      }) {}

Cluster::~Cluster() {
  StopSoon();
  thread_.join();
}

void Cluster::StopSoon() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  woken_.notify_all();
}

bool Cluster::Ended() {
  const std::lock_guard lock(mutex_);
  return ended_;
}

void Cluster::Wake() {
  const std::lock_guard lock(mutex_);
  work_ = true;
  woken_.notify_all();
}

bool Cluster::WaitForWork(Clock::time_point until) {
  std::unique_lock lock(mutex_);
  woken_.wait_until(lock, until, [&] { return work_ || stopped_; });
  work_ = false;
  return !stopped_;
}

void Cluster::Run() {
  base::Backoff backoff(milliseconds(1000), timing_.retry_longest);
  Clock::time_point next_lag = Clock::now();
  while (WaitForWork(next_lag)) {
    absl::Status status = Work();
    if (status.ok() && Clock::now() >= next_lag) {
      next_lag = Clock::now() + timing_.lag_every;
      status = ReadLag();
    }
    if (status.ok()) {
      backoff.Reset();
      continue;
    }
    const milliseconds wait = backoff.Next();
    Failed(status);
    next_lag = Clock::now() + wait;
    std::unique_lock lock(mutex_);
    woken_.wait_until(lock, next_lag, [&] { return stopped_; });
    work_ = true;
  }
}

absl::Status Cluster::Connect() {
  if (admin_ != nullptr) return absl::OkStatus();
  auto admin = kafka::Admin::Create(config_, timing_.call_timeout);
  if (!admin.ok()) return admin.status();
  admin_ = *std::move(admin);
  return absl::OkStatus();
}

std::vector<Tracked> Cluster::Mine(const std::function<bool(const Tracked&)>& which) {
  std::vector<Tracked> mine;
  const std::lock_guard lock(registry_.mutex);
  for (const auto& [key, tracked] : registry_.pipelines) {
    if (tracked.cluster == this && which(tracked)) mine.push_back(tracked);
  }
  return mine;
}

// False: it has changed, or has gone elsewhere, meanwhile.
bool Cluster::Publish(const Tracked& pipeline, const std::function<void(Tracked&)>& change) {
  const std::lock_guard lock(registry_.mutex);
  const auto found = registry_.pipelines.find(pipeline.key);
  if (found == registry_.pipelines.end() || found->second.cluster != this) return false;
  change(found->second);
  return true;
}

absl::Status Cluster::Work() {
  const auto now = Clock::now();
  const std::vector<Tracked> dirty = Mine([&](const Tracked& tracked) {
    return !tracked.deleting && (tracked.dirty || now - tracked.checked_at > timing_.check_every);
  });
  const std::vector<Tracked> ending =
      Mine([](const Tracked& tracked) { return tracked.deleting && !tracked.deleted; });
  if (dirty.empty() && ending.empty()) return absl::OkStatus();
  if (absl::Status status = Connect(); !status.ok()) return status;
  if (!dirty.empty()) {
    if (absl::Status status = Look(dirty); !status.ok()) return status;
  }
  for (const Tracked& pipeline : ending) DeleteOne(pipeline);
  return absl::OkStatus();
}

absl::Status Cluster::Look(const std::vector<Tracked>& dirty) {
  std::set<std::string> names;
  for (const Tracked& pipeline : dirty) {
    names.insert(pipeline.topics.begin(), pipeline.topics.end());
    names.insert(pipeline.managed.begin(), pipeline.managed.end());
  }
  const auto live = admin_->Describe({names.begin(), names.end()});
  if (!live.ok()) return live.status();
  std::erase_if(asked_, [&](const auto& asked) { return live->contains(asked.second); });
  for (const Tracked& pipeline : dirty) Carry(pipeline, *live);
  return absl::OkStatus();
}

void Cluster::Carry(const Tracked& pipeline, const std::map<std::string, kafka::TopicState>& live) {
  if (pipeline.hold) return LeaveAlone(pipeline);
  const std::shared_ptr<const pipeline::Plan> plan = pipeline.PlanOf();
  const Input input{.plan = *plan,
                    .managed = pipeline.managed,
                    .owners = OwnersBeside(pipeline),
                    .accepted = pipeline.accepted};
  Decision decision = Decide(input, live);
  const bool done = decision.claims || Apply(pipeline.key, &decision);
  const std::string rows = TextOf(RowsJson(decision.rows));
  kube::Condition ready{.status = decision.ready ? "True" : "False",
                        .reason = decision.reason,
                        .message = decision.message};
  bool changed = false;
  Publish(pipeline, [&](Tracked& tracked) {
    // What has failed is tried again with the next reading of the lag.
    if (tracked.fingerprint == pipeline.fingerprint) {
      tracked.dirty = !done;
      if (done) tracked.plan.reset();
    }
    tracked.checked_at = Clock::now();
    tracked.claimed.clear();
    for (const Row& row : decision.rows) {
      if (row.managed) tracked.claimed.insert(row.name);
    }
    changed = tracked.rows != rows || tracked.known.ready != ready;
    tracked.rows = rows;
    tracked.known.ready = std::move(ready);
  });
  if (changed) on_change_(pipeline.key);
}

// Kafka answers; more is not said of topics that are not looked at.
void Cluster::LeaveAlone(const Tracked& pipeline) {
  bool changed = false;
  Publish(pipeline, [&](Tracked& tracked) {
    tracked.dirty = tracked.fingerprint != pipeline.fingerprint;
    if (!tracked.dirty) tracked.plan.reset();
    tracked.checked_at = Clock::now();
    changed = tracked.known.ready.reason == "KafkaUnavailable";
    if (changed) tracked.known.ready = PipelineInKafka().ready;
  });
  if (changed) on_change_(pipeline.key);
}

// False: not all could be made; each of those says why.
bool Cluster::Make(const kube::ObjectKey& pipeline, const std::vector<kafka::NewTopic>& topics,
                   Decision* decision) {
  std::set<std::string> again;
  for (const kafka::NewTopic& topic : topics) {
    if (!asked_.emplace(pipeline, topic.name).second) again.insert(topic.name);
  }
  std::vector<std::string> existed;
  const absl::Status status = admin_->Create(topics, &existed);
  bool ours = true;
  for (const std::string& topic : existed) {
    if (again.contains(topic)) continue;
    asked_.erase({pipeline, topic});
    // Somebody was faster: it is theirs, and looked at as such with the next reading of the lag.
    ours = false;
    Fail(decision, topic, absl::AlreadyExistsError("somebody else has just made it"));
    if (Row* row = RowOf(decision, topic)) row->managed = false;
  }
  if (!status.ok() && topics.size() > 1) {
    // Which of them failed is found one by one.
    bool all = ours;
    for (const kafka::NewTopic& topic : topics) {
      if (std::find(existed.begin(), existed.end(), topic.name) != existed.end()) continue;
      all = Make(pipeline, {topic}, decision) && all;
    }
    return all;
  }
  if (!status.ok()) {
    Fail(decision, topics[0].name, status);
    RowOf(decision, topics[0].name)->partitions = 0;
  }
  return ours && status.ok();
}

// A change that fails says so at its topic; the others are made. False: one has failed.
bool Cluster::Apply(const kube::ObjectKey& pipeline, Decision* decision) {
  bool all = true;
  std::vector<kafka::NewTopic> creates;
  for (const kafka::TopicChange& change : decision->changes) {
    base::LogInfo("changing a topic", {{"pipeline", pipeline.ToText()}, {"change", change.text}});
    if (change.kind == kafka::TopicChange::Kind::kCreate) {
      creates.push_back(change.topic);
    } else if (const absl::Status status = kafka::Apply({change}, admin_.get()); !status.ok()) {
      Fail(decision, change.topic.name, status);
      all = false;
    }
  }
  if (!creates.empty()) all = Make(pipeline, creates, decision) && all;
  Conclude(decision);
  return all;
}

// Of a topic that several manage, the first by name: always the same one.
std::map<std::string, Owner> Cluster::OwnersBeside(const Tracked& pipeline) {
  std::map<std::string, Owner> owners;
  std::set<std::string_view> asked;
  asked.insert(pipeline.topics.begin(), pipeline.topics.end());
  const std::lock_guard lock(registry_.mutex);
  for (const auto& [key, other] : registry_.pipelines) {
    if (key == pipeline.key || other.brokers != pipeline.brokers) continue;
    for (const std::set<std::string>* topics : {&other.managed, &other.claimed}) {
      for (const std::string& topic : *topics) {
        if (!asked.contains(topic)) continue;
        if (pipeline.managed.contains(topic) && pipeline.key < key) continue;
        owners.try_emplace(topic, Owner{key.ToText()});
      }
    }
  }
  return owners;
}

absl::Status Cluster::ReadLag() {
  std::set<Watched> groups;
  bool any = false;
  {
    const std::lock_guard lock(registry_.mutex);
    for (const auto& [key, tracked] : registry_.pipelines) {
      if (tracked.cluster != this || tracked.deleting) continue;
      any = true;
      for (const Tracked::Stage& stage : tracked.stages) groups.insert(stage.reads);
    }
  }
  if (!any) {
    lag_.Close();
    admin_.reset();
    return absl::OkStatus();
  }
  if (absl::Status status = lag_.Read(groups); !status.ok()) return status;
  std::vector<kube::ObjectKey> changed;
  {
    const std::lock_guard lock(registry_.mutex);
    for (auto& [key, tracked] : registry_.pipelines) {
      if (tracked.cluster == this && !tracked.deleting && TakeLag(&tracked)) changed.push_back(key);
    }
  }
  for (const kube::ObjectKey& key : changed) on_change_(key);
  return absl::OkStatus();
}

// True: somebody should look. Most readings of a busy pipeline differ a little from the one before:
// its status need not be written for that.
bool Cluster::TakeLag(Tracked* tracked) {
  const auto now = Clock::now();
  bool differs = false;
  for (const Tracked::Stage& stage : tracked->stages) {
    const Load* load = lag_.Of(stage.reads.group);
    if (load == nullptr) continue;
    controller::StageLoad& known = tracked->known.stages[stage.name];
    known.partitions = AsPartitions(*load);
    known.events_per_second = load->events_per_second;
    if (load->events_per_second < 0) continue;  // known with the next reading
    differs = differs ||
              Differ(static_cast<double>(known.shown_lag), static_cast<double>(LagOf(*load))) ||
              Differ(known.shown_events_per_second, load->events_per_second);
  }
  const bool show = differs && now - tracked->shown_at >= timing_.show_every;
  if (show) {
    tracked->shown_at = now;
    for (const Tracked::Stage& stage : tracked->stages) {
      const Load* load = lag_.Of(stage.reads.group);
      if (load == nullptr) continue;
      controller::StageLoad& known = tracked->known.stages[stage.name];
      known.shown_lag = LagOf(*load);
      known.shown_events_per_second = load->events_per_second;
    }
  }
  return show || tracked->scales;  // whose decisions also depend on the time
}

void Cluster::DeleteOne(const Tracked& pipeline) {
  std::set<std::string> declared;
  {
    const std::lock_guard lock(registry_.mutex);
    for (const auto& [key, other] : registry_.pipelines) {
      if (key == pipeline.key || other.brokers != pipeline.brokers) continue;
      declared.insert(other.topics.begin(), other.topics.end());
    }
  }
  const std::vector<std::string> topics = ToDelete(pipeline.managed, declared);
  absl::Status status;
  for (const std::string& topic : topics) {
    const absl::Status one = admin_->Delete({topic});
    if (!one.ok() && !absl::IsNotFound(one)) status.Update(one);
  }
  auto groups = kafka::Groups::Create(config_, timing_.call_timeout);
  status.Update(groups.ok()
                    ? (*groups)->DeleteWithPrefix(pipeline::NamePrefix(pipeline.PlanOf()->pipeline))
                    : groups.status());
  if (Publish(pipeline, [&](Tracked& tracked) { tracked.deleted = status; })) {
    on_change_(pipeline.key);
  }
}

// What was known stays in sight: a Kafka that is away has not lost its topics.
void Cluster::Failed(const absl::Status& status) {
  base::LogWarn("Kafka is not to be reached",
                {{"brokers", config_.brokers}, {"error", status.message()}});
  admin_.reset();
  lag_.Close();
  const std::string message = base::StrCat(
      "Kafka at ", config_.brokers, ": ", base::View(status.message()),
      ". What runs goes on; it is asked again within ", timing_.retry_longest.count() / 1000, " s");
  for (const Tracked& pipeline : Mine([](const Tracked&) { return true; })) {
    bool changed = false;
    Publish(pipeline, [&](Tracked& tracked) {
      changed = tracked.known.ready.message != message || !tracked.known.stages.empty() ||
                (tracked.deleting && !tracked.deleted);
      tracked.known.ready.status = "Unknown";
      tracked.known.ready.reason = "KafkaUnavailable";
      tracked.known.ready.message = message;
      tracked.known.stages.clear();
      tracked.shown_at = {};
      tracked.dirty = true;
      if (tracked.deleting) tracked.deleted = absl::UnavailableError(message);
    });
    if (changed) on_change_(pipeline.key);
  }
}

}  // namespace levada::topics
