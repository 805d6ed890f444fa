#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operator/kube/client.h"
#include "operator/kube/object.h"
#include "operator/kube/object_store.h"

// A copy of all objects of a kind that follows the API server, and tells of each change.
//
//   Informer deployments(client, {.resource = kDeployments,
//                                 .label_selector = "app=levada",
//                                 .index_label = "levada.dev/pipeline"});
//   deployments.AddHandler({.on_change = [&](const Json* before, const Json* after) {
//     queue.Add(KeyOfOwner(after != nullptr ? *after : *before));
//   }});
//   deployments.Start();
//   if (!deployments.WaitForSync(30s)) ...
//   for (const Json& deployment : deployments.OfLabel("shop", "fraud")) ...
//
// It lists (in pages), then watches with bookmarks. A watch that ends is taken up where it was; one
// that has fallen too far behind (410) lists again, and the difference is told to the handlers; a
// server that is away is tried again with growing waits, and the copy stays as it was meanwhile. A
// connection on which nothing comes, not even a bookmark, is given up.
//
// The copy lags behind the server, one's own writes included: decide by what applying would change,
// not by what must have happened. It holds the objects as packed text (packer.h).
//
// Threads: AddHandler before Start; everything else from any thread. Handlers are called one at a
// time from the informer's thread, after the copy has changed, and must return quickly.
namespace levada::kube {

class Informer {
 public:
  struct Options {
    Resource resource;
    std::string name_space;  // empty: all
    std::string label_selector;
    std::string field_selector;
    bool metadata_only = false;
    // What is kept of an object; never null.
    std::function<void(Json*)> transform = StripManagedFields;
    std::string index_label;  // OfLabel finds by its value
    size_t page = 100;
    std::chrono::seconds watch_timeout{300};  // each watch takes 1 to 2 times that
    std::chrono::milliseconds idle{150'000};
    std::chrono::milliseconds first_wait{500};
    std::chrono::milliseconds longest_wait{30'000};
    Clock* clock = &RealClock();
    Probe* probe = &NoProbe();
  };

  struct Handler {
    // before == nullptr: added; after == nullptr: deleted (what was last known of it).
    std::function<void(const Json* before, const Json* after)> on_change;
    // The first list has been told completely.
    std::function<void()> on_synced;
  };

  // `client` must live longer.
  Informer(Client& client, Options options);
  ~Informer();  // stops

  void AddHandler(Handler handler);
  void Start();
  // Ends the watch; no handler is called after it returns. Not from a handler.
  void Stop();

  bool HasSynced() const;  // everything has been listed once
  // False if it has not within `limit`.
  bool WaitForSync(std::chrono::milliseconds limit) const;
  // Why the server cannot be followed at the moment; OK if it can.
  absl::Status Health() const;

  std::optional<Json> Get(const ObjectKey& key) const;
  bool Contains(const ObjectKey& key) const;
  std::vector<Json> All() const;
  std::vector<Json> OfLabel(std::string_view name_space, std::string_view value) const;
  // The same objects without unpacking them, in the same order.
  std::vector<ObjectVersion> VersionsOfLabel(std::string_view name_space,
                                             std::string_view value) const;
  std::vector<ObjectKey> Keys() const;
  size_t size() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace levada::kube
