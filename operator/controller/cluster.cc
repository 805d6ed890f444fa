#include "operator/controller/cluster.h"

#include <map>
#include <mutex>

#include "core/base/hash.h"
#include "operator/render/names.h"
#include "operator/render/render.h"

namespace levada::controller {

using kube::Json;
using kube::ObjectKey;

namespace {

// What is there where Prometheus' operator is installed.
bool IsOptional(const kube::Resource& resource) {
  return resource.group == kube::kPodMonitors.group;
}

}  // namespace

struct Cluster::Followed {
  using Informers = std::vector<std::pair<const kube::Resource*, std::shared_ptr<kube::Informer>>>;
  using Names = std::map<ObjectKey, std::set<ObjectKey>>;  // object -> pipelines that need it

  Followed(kube::Client& the_client, Options the_options)
      : client(the_client), options(std::move(the_options)) {}

  std::unique_ptr<kube::Informer> Follow(const kube::Resource& resource, bool ours,
                                         bool metadata_only) const {
    kube::Informer::Options informer;
    informer.resource = resource;
    informer.name_space = options.name_space;
    if (ours) {
      informer.label_selector = options.label_selector;
      informer.index_label = render::kPipelineLabel;
    }
    informer.metadata_only = metadata_only;
    informer.clock = options.clock;
    informer.probe = options.probe;
    return std::make_unique<kube::Informer>(client, informer);
  }

  // Tells of the pipelines that refer to an object that changed.
  void TellReferring(const Names& names, const ObjectKey& object) {
    std::set<ObjectKey> told;
    {
      const std::lock_guard lock(mutex);
      if (const auto found = names.find(object); found != names.end()) told = found->second;
    }
    for (const ObjectKey& pipeline : told) on_change(pipeline);
  }

  static void Replace(Names* names, const ObjectKey& pipeline, const std::set<std::string>& now) {
    for (auto at = names->begin(); at != names->end();) {
      if (at->first.name_space == pipeline.name_space && !now.contains(at->first.name)) {
        at->second.erase(pipeline);
      }
      at = at->second.empty() ? names->erase(at) : std::next(at);
    }
    for (const std::string& name : now) (*names)[{pipeline.name_space, name}].insert(pipeline);
  }

  std::shared_ptr<kube::Informer> FollowOwned(const kube::Resource& resource) {
    std::shared_ptr<kube::Informer> informer = Follow(resource, true, false);
    informer->AddHandler({.on_change = [this](const Json* before, const Json* after) {
      const Json& object = after != nullptr ? *after : *before;
      const std::string name = kube::LabelOf(object, render::kPipelineLabel);
      if (!name.empty()) on_owned({kube::NamespaceOf(object), name});
    }});
    return informer;
  }

  Informers Owned() const {
    const std::lock_guard lock(mutex);
    return owned;
  }

  kube::Client& client;
  const Options options;
  OnChange on_change;
  OnChange on_owned;
  std::unique_ptr<kube::Informer> pipelines;
  std::unique_ptr<kube::Informer> secrets;
  std::unique_ptr<kube::Informer> config_maps;

  mutable std::mutex mutex;
  Informers owned;  // in the order of Kinds()
  std::map<ObjectKey, References> references;
  Names secret_users;
  Names config_map_users;
};

Cluster::Cluster(kube::Client& client, Options options)
    : followed_(std::make_unique<Followed>(client, std::move(options))) {
  Followed& at = *followed_;
  at.pipelines = at.Follow(kube::kPipelines, false, false);
  at.secrets = at.Follow(kube::kSecrets, false, true);
  at.config_maps = at.Follow(kube::kConfigMaps, false, true);
  for (const kube::Resource* resource : render::Kinds()) {
    if (!IsOptional(*resource)) at.owned.emplace_back(resource, at.FollowOwned(*resource));
  }
  at.owned.emplace_back(&kube::kReplicaSets, at.FollowOwned(kube::kReplicaSets));
}

Cluster::~Cluster() { Stop(); }

void Cluster::Start(OnChange on_change, OnChange on_owned) {
  Followed& at = *followed_;
  at.on_change = std::move(on_change);
  at.on_owned = std::move(on_owned);
  at.pipelines->AddHandler({.on_change = [&at](const Json* before, const Json* after) {
    at.on_change(kube::KeyOf(after != nullptr ? *after : *before));
  }});
  at.secrets->AddHandler({.on_change = [&at](const Json* before, const Json* after) {
    at.TellReferring(at.secret_users, kube::KeyOf(after != nullptr ? *after : *before));
  }});
  at.config_maps->AddHandler({.on_change = [&at](const Json* before, const Json* after) {
    at.TellReferring(at.config_map_users, kube::KeyOf(after != nullptr ? *after : *before));
  }});
  for (kube::Informer* informer : {at.pipelines.get(), at.secrets.get(), at.config_maps.get()}) {
    informer->Start();
  }
  for (const auto& [resource, informer] : at.Owned()) informer->Start();
}

void Cluster::Stop() {
  Followed& at = *followed_;
  at.pipelines->Stop();
  at.secrets->Stop();
  at.config_maps->Stop();
  for (const auto& [resource, informer] : at.Owned()) informer->Stop();
}

absl::StatusOr<bool> Cluster::Discover() {
  Followed& at = *followed_;
  bool changed = false;
  for (const kube::Resource* resource : render::Kinds()) {
    if (!IsOptional(*resource)) continue;
    const absl::StatusOr<bool> serves = at.client.Serves(*resource);
    if (!serves.ok()) return serves.status();
    if (*serves == Knows(*resource)) continue;
    changed = true;
    if (*serves) {
      const std::shared_ptr<kube::Informer> informer = at.FollowOwned(*resource);
      informer->Start();
      const std::lock_guard lock(at.mutex);
      at.owned.emplace_back(resource, informer);
      continue;
    }
    std::shared_ptr<kube::Informer> gone;
    {
      const std::lock_guard lock(at.mutex);
      std::erase_if(at.owned, [&](const auto& owned) {
        if (*owned.first != *resource) return false;
        gone = owned.second;
        return true;
      });
    }
    gone->Stop();
  }
  return changed;
}

bool Cluster::WaitForSync(std::chrono::milliseconds limit) const {
  const Followed& at = *followed_;
  const auto until = std::chrono::steady_clock::now() + limit;
  const auto left = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(until - std::chrono::steady_clock::now(), std::chrono::nanoseconds::zero()));
  };
  bool synced = at.pipelines->WaitForSync(left()) && at.secrets->WaitForSync(left()) &&
                at.config_maps->WaitForSync(left());
  for (const auto& [resource, informer] : at.Owned()) {
    synced = synced && informer->WaitForSync(left());
  }
  return synced;
}

absl::Status Cluster::Health() const {
  const Followed& at = *followed_;
  absl::Status health = at.pipelines->Health();
  health.Update(at.secrets->Health());
  health.Update(at.config_maps->Health());
  for (const auto& [resource, informer] : at.Owned()) health.Update(informer->Health());
  return health;
}

bool Cluster::Knows(const kube::Resource& resource) const {
  for (const auto& [known, informer] : followed_->Owned()) {
    if (*known == resource) return true;
  }
  return false;
}

std::optional<Json> Cluster::Pipeline(const ObjectKey& key) const {
  return followed_->pipelines->Get(key);
}

std::vector<ObjectKey> Cluster::Pipelines() const { return followed_->pipelines->Keys(); }

std::vector<Owned> Cluster::OwnedBy(const Json& pipeline) const {
  const ObjectKey key = kube::KeyOf(pipeline);
  std::vector<Owned> found;
  for (const auto& [resource, informer] : followed_->Owned()) {
    for (Json& object : informer->OfLabel(key.name_space, key.name)) {
      found.push_back({resource, std::move(object)});
    }
  }
  return found;
}

std::vector<Json> Cluster::OwnedBy(const Json& pipeline, const kube::Resource& resource) const {
  const ObjectKey key = kube::KeyOf(pipeline);
  for (const auto& [known, informer] : followed_->Owned()) {
    if (*known == resource) return informer->OfLabel(key.name_space, key.name);
  }
  return {};
}

uint64_t Cluster::VersionOfOwned(const Json& pipeline) const {
  const ObjectKey key = kube::KeyOf(pipeline);
  uint64_t hash = 0;
  for (const auto& [resource, informer] : followed_->Owned()) {
    hash = base::HashCombine(hash, base::HashBytes(resource->plural));
    for (const kube::ObjectVersion& object : informer->VersionsOfLabel(key.name_space, key.name)) {
      hash = base::HashCombine(base::HashCombine(hash, base::HashBytes(object.name)),
                               base::HashBytes(object.resource_version));
    }
  }
  return hash;
}

void Cluster::Refer(const ObjectKey& pipeline, References references) {
  const std::lock_guard lock(followed_->mutex);
  References& known = followed_->references[pipeline];
  if (known != references) {
    Followed::Replace(&followed_->secret_users, pipeline, references.secrets);
    Followed::Replace(&followed_->config_map_users, pipeline, references.config_maps);
    known = std::move(references);
  }
  if (known == References()) followed_->references.erase(pipeline);
}

std::string Cluster::SecretVersion(const ObjectKey& key) const {
  const std::optional<Json> secret = followed_->secrets->Get(key);
  return secret ? kube::ResourceVersionOf(*secret) : "";
}

std::string Cluster::ConfigMapVersion(const ObjectKey& key) const {
  const std::optional<Json> config_map = followed_->config_maps->Get(key);
  return config_map ? kube::ResourceVersionOf(*config_map) : "";
}

}  // namespace levada::controller
