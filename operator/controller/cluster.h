#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "operator/kube/client.h"
#include "operator/kube/informer.h"

// The operator's copy of what it works on: the pipelines, and the objects that it made for them.
//
//   Cluster cluster(client, {.label_selector = "app.kubernetes.io/managed-by=levada"});
//   cluster.Start(add, add_soon);
//   if (!cluster.WaitForSync(30s)) ...
//   std::optional<kube::Json> pipeline = cluster.Pipeline(key);
//   for (const Owned& object : cluster.OwnedBy(*pipeline)) ...
//
// An object belongs to a pipeline by its label `levada.dev/pipeline` and its namespace; who
// controls it (ownerReferences) is for the writer to check. Secrets and ConfigMaps that users made
// are followed by their metadata alone, so that a change of one is noticed.
//
// Threads: any; the callback comes from the informers' threads and must return quickly.
namespace levada::controller {

struct Owned {
  const kube::Resource* resource;
  kube::Json object;
};

class Cluster {
 public:
  struct Options {
    std::string name_space;      // empty: all
    std::string label_selector;  // of what the operator made
    kube::Clock* clock = &kube::RealClock();
    kube::Probe* probe = &kube::NoProbe();
  };
  using OnChange = std::function<void(const kube::ObjectKey& pipeline)>;

  // `client` must live longer.
  Cluster(kube::Client& client, Options options);
  ~Cluster();

  // `on_owned` is told of objects that the operator made: mostly of its own writes.
  void Start(OnChange on_change, OnChange on_owned);
  void Stop();
  bool WaitForSync(std::chrono::milliseconds limit) const;
  absl::Status Health() const;  // why the server cannot be followed; OK if it can

  // Asks the server which of the optional kinds (Prometheus' operator's) it knows, and follows
  // those that it has got to know since. After Start; waits for the server. True: it has changed.
  absl::StatusOr<bool> Discover();
  // Whether objects of this kind can be written: the CRD is there.
  bool Knows(const kube::Resource& resource) const;

  std::optional<kube::Json> Pipeline(const kube::ObjectKey& key) const;
  std::vector<kube::ObjectKey> Pipelines() const;
  // Kinds in the order in which render makes them.
  std::vector<Owned> OwnedBy(const kube::Json& pipeline) const;
  std::vector<kube::Json> OwnedBy(const kube::Json& pipeline, const kube::Resource& resource) const;
  // A hash of what OwnedBy gives, by names and versions.
  uint64_t VersionOfOwned(const kube::Json& pipeline) const;

  // The users' Secrets and ConfigMaps that a pipeline depends on: a change of one is told as a
  // change of the pipeline. Replaces what was told before; empty lists forget it.
  struct References {
    std::set<std::string> secrets;
    std::set<std::string> config_maps;

    bool operator==(const References&) const = default;
  };
  void Refer(const kube::ObjectKey& pipeline, References references);
  // What changes when such an object does; empty if it is not there.
  std::string SecretVersion(const kube::ObjectKey& key) const;
  std::string ConfigMapVersion(const kube::ObjectKey& key) const;

 private:
  struct Followed;
  std::unique_ptr<Followed> followed_;
};

}  // namespace levada::controller
