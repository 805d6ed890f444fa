#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "operator/kube/clock.h"
#include "operator/kube/flow_control.h"
#include "operator/kube/object.h"
#include "operator/kube/probe.h"
#include "operator/kube/resource.h"
#include "operator/kube/transport.h"
#include "operator/kube/watch_event.h"

// Objects of the API server: read, write, delete, watch.
//
//   Client client(std::move(transport), {.field_manager = "levada-operator"});
//   absl::StatusOr<Json> live = client.Get(kDeployments, {"shop", "fraud-detect"});
//   absl::StatusOr<Json> applied = client.Apply(kDeployments, wanted, {.force = true});
//
// Errors are those of errors.h, with what was tried, on what object, and why it was refused.
// Requests share one rate limit; requests for Leases never wait for it. An answer 429, or one with
// Retry-After, is tried again after that time, as long as `patience` lasts. Nothing else is tried
// again here: that is the work queue's to do.
//
// An object is written as it is given; apiVersion and kind are put in where they are missing.
//
// Threads: any; each call blocks its own.
namespace levada::kube {

struct ListOptions {
  std::string name_space;      // empty: all
  std::string label_selector;  // "app=levada,tier!=web"
  std::string field_selector;  // "metadata.name=x"
  size_t page = 250;
  // Only apiVersion, kind and metadata of each object (PartialObjectMetadata).
  bool metadata_only = false;
};

struct WatchOptions {
  std::string name_space;
  std::string label_selector;
  std::string field_selector;
  bool metadata_only = false;
  std::string resource_version;             // to go on from
  std::chrono::seconds timeout{300};        // the server ends the watch then
  std::chrono::milliseconds idle{150'000};  // no byte for so long: the connection is dead
};

struct WriteOptions {
  bool dry_run = false;
  std::string subresource;  // "status", "scale"
};

struct ApplyOptions {
  bool force = false;  // take fields over from other managers
  bool dry_run = false;
  std::string field_manager;  // empty: the client's
};

enum class PatchType { kMerge, kJson };

struct DeleteOptions {
  std::string uid;               // delete only this one
  std::string resource_version;  // only in this version
  enum class Propagation { kDefault, kBackground, kForeground, kOrphan };
  Propagation propagation = Propagation::kDefault;
  std::optional<std::chrono::seconds> grace_period;
};

class Client {
 public:
  struct Options {
    std::string field_manager = "levada-operator";
    std::string user_agent = "levada-operator";
    // Not to be the first that the server has to hold back; how much is fair is for it to say
    // (429).
    double requests_per_second = 300;
    int burst = 600;
    std::chrono::milliseconds timeout{30'000};   // one request
    std::chrono::milliseconds patience{20'000};  // all waits for Retry-After of one call
    // How long this process may still write, asked before each write: a write is given no more time
    // than that, and refused (kFailedPrecondition) when none is left. leader.h gives one.
    std::function<std::chrono::milliseconds()> time_to_write;
    Clock* clock = &RealClock();
    Probe* probe = &NoProbe();
  };

  Client(std::shared_ptr<Transport> transport, Options options);
  ~Client();

  absl::StatusOr<Json> Get(const Resource& resource, const ObjectKey& key);

  // All objects, page by page in a consistent read. Returns the list's resourceVersion, to watch
  // from. If the server forgets the read midway (410) it begins anew after `restarted`; without
  // that the error is returned.
  absl::StatusOr<std::string> List(const Resource& resource, const ListOptions& options,
                                   const std::function<void(Json object)>& each,
                                   const std::function<void()>& restarted = nullptr);
  absl::StatusOr<std::vector<Json>> List(const Resource& resource, const ListOptions& options = {});

  absl::StatusOr<Json> Create(const Resource& resource, const Json& object,
                              const WriteOptions& options = {});
  // Replaces the object; kAborted if its resourceVersion is not the current one.
  absl::StatusOr<Json> Update(const Resource& resource, const Json& object,
                              const WriteOptions& options = {});
  // Server-side apply. kAborted names the managers and fields that are in the way.
  absl::StatusOr<Json> Apply(const Resource& resource, const Json& object,
                             const ApplyOptions& options = {});
  absl::StatusOr<Json> ApplyStatus(const Resource& resource, const Json& object,
                                   const ApplyOptions& options = {});
  absl::StatusOr<Json> Patch(const Resource& resource, const ObjectKey& key, PatchType type,
                             const Json& patch, const WriteOptions& options = {});
  // OK once the server has taken it; the object may still be there with its finalizers.
  absl::Status Delete(const Resource& resource, const ObjectKey& key,
                      const DeleteOptions& options = {});

  // Events until the server ends the watch (OK), `each` returns false (OK), or an error; kCancelled
  // once `stop` is requested. IsExpired: list again. informer.h does all of that.
  absl::Status Watch(const Resource& resource, const WatchOptions& options,
                     const std::function<bool(WatchEvent)>& each, std::stop_token stop);

  // Whether the server knows the resource: a CRD may be missing, or be installed later.
  absl::StatusOr<bool> Serves(const Resource& resource);
  // "v1.34.4".
  absl::StatusOr<std::string> ServerVersion();
  // Any other path: GET, as JSON.
  absl::StatusOr<Json> GetPath(const std::string& path);
  // A text that is added to, a pod's log: its lines until it ends or `each` returns false (OK),
  // nothing comes for `idle` (kDeadlineExceeded) or `stop` is requested (kCancelled).
  absl::Status Lines(const std::string& path, const std::string& what,
                     std::chrono::milliseconds idle,
                     const std::function<bool(std::string_view line)>& each, std::stop_token stop);

  const Options& options() const { return options_; }

 private:
  struct Call;
  absl::StatusOr<http::Response> Send(const Call& call);
  absl::StatusOr<Json> SendObject(const Call& call);
  absl::StatusOr<Json> ApplyTo(const Resource& resource, const Json& object,
                               std::string_view subresource, const ApplyOptions& options);
  absl::StatusOr<std::chrono::milliseconds> TimeFor(const Call& call);
  http::Request RequestOf(const Call& call, std::chrono::milliseconds timeout) const;
  void WaitForTurn(const Call& call);

  const std::shared_ptr<Transport> transport_;
  const Options options_;
  FlowControl flow_;
};

}  // namespace levada::kube
