#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

#include "operator/kube/resource.h"

// What this folder tells of itself; a program derives from it and makes metrics of it. All methods
// do nothing unless overridden, must return quickly and may be called from any thread.
//
//   class Metrics : public kube::Probe {
//     void Request(...) override { requests_->Add(...); }
//   };
namespace levada::kube {

class Probe {
 public:
  using Seconds = std::chrono::duration<double>;

  virtual ~Probe() = default;

  // A request has its answer; `code` 0: none came. Verbs as RBAC names them: get, list, watch,
  // create, update, patch, apply, delete.
  virtual void Request(std::string_view /*verb*/, const Resource& /*resource*/, int /*code*/,
                       Seconds /*took*/) {}
  // A request has waited for the client's own rate limit, or for the server's Retry-After.
  virtual void Throttled(Seconds /*waited*/) {}

  // An informer lists everything, and why: "start", "expired".
  virtual void Relisted(const Resource& /*resource*/, std::string_view /*why*/) {}
  // A watch has ended: "timeout" (the usual end), "error", "idle", "expired".
  virtual void WatchEnded(const Resource& /*resource*/, std::string_view /*why*/) {}
  virtual void CacheSize(const Resource& /*resource*/, size_t /*objects*/, size_t /*bytes*/) {}

  // A work queue by its name.
  virtual void QueueDepth(std::string_view /*queue*/, size_t /*depth*/) {}
  virtual void QueueWaited(std::string_view /*queue*/, Seconds /*from_due_to_taken*/) {}
  virtual void QueueWorked(std::string_view /*queue*/, Seconds /*from_taken_to_done*/) {}
  virtual void QueueRetried(std::string_view /*queue*/) {}

  virtual void Leading(bool /*leading*/) {}

  // An event object was written, or left out because of the rate limit or a full queue.
  virtual void EventWritten() {}
  virtual void EventDropped() {}
};

// One that does nothing, for a default.
Probe& NoProbe();

}  // namespace levada::kube
