#include "operator/topics/kafka_state.h"

#include <utility>

#include "core/base/strings.h"

namespace levada::topics {
namespace {

using controller::KafkaState;
using controller::PipelineInKafka;
using kube::Json;
using kube::ObjectKey;

std::string NameOf(const kafka::ClientConfig& config) {
  std::string name = config.brokers;
  for (const auto& [key, value] : config.properties) base::StrAppend(&name, "\n", key, "=", value);
  return name;
}

std::set<std::string> ManagedIn(const Json& pipeline) {
  std::set<std::string> managed;
  const Json* rows = kube::Find(pipeline, {"status", "topics"});
  if (rows == nullptr || !rows->is_array()) return managed;
  for (const Json& row : *rows) {
    const Json* is_managed = kube::Find(row, {"managed"});
    if (is_managed != nullptr && is_managed->is_boolean() && is_managed->get<bool>()) {
      managed.insert(kube::TextAt(row, {"name"}));
    }
  }
  return managed;
}

std::string FingerprintOf(const KafkaState::Wanted& wanted, const std::set<std::string>& managed,
                          const std::string& cluster) {
  const Json& pipeline = wanted.pipeline;
  std::string text =
      base::StrCat(kube::UidOf(pipeline), "\n", kube::GenerationOf(pipeline), "\n", wanted.hold,
                   "\n", kube::AnnotationOf(pipeline, kAcceptRepartition), "\n", cluster);
  for (const std::string& topic : managed) base::StrAppend(&text, "\n", topic);
  return text;
}

// What the status says already, until Kafka has answered this process.
PipelineInKafka KnownBefore(const Json& pipeline) {
  PipelineInKafka known;
  if (const Json* rows = kube::Find(pipeline, {"status", "topics"})) known.rows = *rows;
  const Json* conditions = kube::Find(pipeline, {"status", "conditions"});
  const Json* ready =
      conditions == nullptr ? nullptr : kube::FindCondition(*conditions, "TopicsReady");
  if (ready != nullptr &&
      kube::IntAt(*ready, {"observedGeneration"}) == kube::GenerationOf(pipeline)) {
    known.ready.status = kube::TextAt(*ready, {"status"});
    known.ready.reason = kube::TextAt(*ready, {"reason"});
    known.ready.message = kube::TextAt(*ready, {"message"});
  }
  return known;
}

class KafkaStateImpl : public controller::KafkaState {
 public:
  explicit KafkaStateImpl(Options options) : options_(std::move(options)) {}
  ~KafkaStateImpl() override { Stop(); }

  void Start(OnChange on_change) override {
    const std::lock_guard lock(clusters_mutex_);
    on_change_ = std::move(on_change);
    running_ = true;
  }

  void Stop() override {
    std::vector<std::unique_ptr<Cluster>> ending;
    {
      const std::lock_guard lock(clusters_mutex_);
      running_ = false;
      ending.swap(ending_);
      for (auto& [name, cluster] : clusters_) ending.push_back(std::move(cluster));
      clusters_.clear();
      configs_.clear();
    }
    for (auto& cluster : ending) cluster->StopSoon();
    ending.clear();  // waits for the requests that are under way, all at the same time
    const std::lock_guard lock(registry_.mutex);
    registry_.pipelines.clear();
  }

  PipelineInKafka Want(const Wanted& wanted) override {
    absl::Status problem;
    Cluster* cluster = Track(wanted, false, &problem);
    const std::lock_guard lock(registry_.mutex);
    if (cluster == nullptr) return Unreachable(wanted.pipeline, problem);
    const Tracked& tracked = registry_.pipelines[kube::KeyOf(wanted.pipeline)];
    PipelineInKafka known = tracked.known;
    known.rows = Json::parse(tracked.rows);
    return known;
  }

  void Forget(const ObjectKey& pipeline) override {
    const std::lock_guard clusters_lock(clusters_mutex_);
    configs_.erase(pipeline);
    {
      const std::lock_guard lock(registry_.mutex);
      if (registry_.pipelines.erase(pipeline) == 0) return;
    }
    EndUnused();
  }

  std::optional<absl::Status> Delete(const Wanted& wanted) override {
    absl::Status problem;
    Cluster* cluster = Track(wanted, true, &problem);
    if (cluster == nullptr) return absl::UnavailableError(problem.message());
    std::optional<absl::Status> deleted;
    {
      const std::lock_guard lock(registry_.mutex);
      Tracked& tracked = registry_.pipelines[kube::KeyOf(wanted.pipeline)];
      deleted = tracked.deleted;
      // What has failed is tried again.
      if (deleted && !deleted->ok()) tracked.deleted.reset();
    }
    if (!deleted || !deleted->ok()) cluster->Wake();
    return deleted;
  }

 private:
  static PipelineInKafka Unreachable(const Json& pipeline, const absl::Status& problem) {
    PipelineInKafka known;
    const Json* rows = kube::Find(pipeline, {"status", "topics"});
    if (rows != nullptr) known.rows = *rows;
    known.ready = {.status = "False",
                   .reason = "ConnectionInvalid",
                   .message = std::string(problem.message())};
    // Of a Secret that comes, or gets the key that it lacks, the controller hears.
    known.ask_again = !absl::IsNotFound(problem) && !absl::IsInvalidArgument(problem);
    return known;
  }

  // What has been found out is kept; an error is not, since the next try may find otherwise.
  absl::StatusOr<kafka::ClientConfig> ConfigOf(const Wanted& wanted) {
    const ObjectKey key = kube::KeyOf(wanted.pipeline);
    const std::string version =
        base::StrCat(kube::UidOf(wanted.pipeline), "\n", kube::GenerationOf(wanted.pipeline), "\n",
                     wanted.inputs);
    {
      const std::lock_guard lock(clusters_mutex_);
      const auto known = configs_.find(key);
      if (known != configs_.end() && known->second.version == version) return known->second.config;
    }
    auto config = options_.config(wanted.pipeline, wanted.plan);
    if (!config.ok()) return config.status();
    const std::lock_guard lock(clusters_mutex_);
    configs_[key] = {version, *config};
    return config;
  }

  // Brings what is known of the pipeline's wishes up to date; the cluster that it is on.
  Cluster* Track(const Wanted& wanted, bool deleting, absl::Status* problem) {
    const auto config = ConfigOf(wanted);
    if (!config.ok()) {
      *problem = config.status();
      return nullptr;
    }
    const std::lock_guard clusters_lock(clusters_mutex_);
    Cluster* cluster = ClusterOf(*config);
    if (cluster == nullptr) {
      *problem = absl::CancelledError("the operator is stopping");
      return nullptr;
    }
    std::set<std::string> managed = ManagedIn(wanted.pipeline);
    const std::string fingerprint = FingerprintOf(wanted, managed, NameOf(*config));
    bool changed = false;
    bool moved = false;
    {
      const std::lock_guard lock(registry_.mutex);
      const ObjectKey key = kube::KeyOf(wanted.pipeline);
      const auto [at, fresh] = registry_.pipelines.try_emplace(key);
      Tracked& tracked = at->second;
      changed = fresh || tracked.fingerprint != fingerprint || tracked.deleting != deleting;
      if (fresh) {
        tracked.known = KnownBefore(wanted.pipeline);
        tracked.rows = TextOf(std::exchange(tracked.known.rows, Json()));
      }
      if (changed) {
        tracked.key = key;
        tracked.fingerprint = fingerprint;
        tracked.brokers = config->brokers;
        tracked.Take(wanted.plan);
        tracked.hold = wanted.hold;
        tracked.managed = std::move(managed);
        tracked.accepted = ParseAccepted(kube::AnnotationOf(wanted.pipeline, kAcceptRepartition));
        tracked.dirty = true;
        tracked.deleting = deleting;
        tracked.deleted.reset();
        moved = tracked.cluster != nullptr && tracked.cluster != cluster;
        tracked.cluster = cluster;
      }
    }
    if (changed) cluster->Wake();
    if (moved) EndUnused();
    return cluster;
  }

  // Clusters on which no pipeline is any more. Their threads end by themselves; those that have are
  // joined with the next call, so that nobody waits for a Kafka that hangs. Holding
  // clusters_mutex_.
  void EndUnused() {
    std::erase_if(ending_, [](const auto& cluster) { return cluster->Ended(); });
    std::set<const void*> used;
    {
      const std::lock_guard lock(registry_.mutex);
      for (const auto& [key, tracked] : registry_.pipelines) used.insert(tracked.cluster);
    }
    for (auto at = clusters_.begin(); at != clusters_.end();) {
      if (used.contains(at->second.get())) {
        ++at;
        continue;
      }
      at->second->StopSoon();
      ending_.push_back(std::move(at->second));
      at = clusters_.erase(at);
    }
  }

  // Holding clusters_mutex_; nullptr after Stop.
  Cluster* ClusterOf(const kafka::ClientConfig& config) {
    if (!running_) return nullptr;
    std::unique_ptr<Cluster>& cluster = clusters_[NameOf(config)];
    if (cluster == nullptr) {
      cluster = std::make_unique<Cluster>(config, options_.timing, registry_, on_change_);
    }
    return cluster.get();
  }

  struct Config {
    std::string version;
    kafka::ClientConfig config;
  };

  const Options options_;
  Registry registry_;
  std::mutex clusters_mutex_;  // before that of the registry
  bool running_ = false;
  OnChange on_change_;
  std::map<std::string, std::unique_ptr<Cluster>> clusters_;  // by address and credentials
  std::vector<std::unique_ptr<Cluster>> ending_;
  std::map<ObjectKey, Config> configs_;
};

}  // namespace

std::unique_ptr<controller::KafkaState> MakeKafkaState(Options options) {
  return std::make_unique<KafkaStateImpl>(std::move(options));
}

}  // namespace levada::topics
