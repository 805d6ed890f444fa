#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "operator/kube/probe.h"

namespace prometheus {
class Registry;
}

// All metrics of the operator (docs/metrics.md has the list).
//
//   Metrics metrics;
//   kube::Client client(transport, {.probe = &metrics});
//   metrics.Reconciled("done", took);
//   ... TextSerializer().Serialize(metrics.registry().Collect())
//
// Threads: any.
namespace levada::controller {

class Metrics : public kube::Probe {
 public:
  Metrics();
  ~Metrics() override;

  prometheus::Registry& registry();

  // One look at a pipeline. Result: "done", "failed" (tried again), "invalid".
  void Reconciled(std::string_view result, Seconds took);
  // Pipelines by phase; all phases are told each time.
  void Pipelines(std::string_view phase, size_t count);
  // Failures that concern one pipeline; forgotten when it is gone.
  void Failed(std::string_view name_space, std::string_view pipeline);
  void Forget(std::string_view name_space, std::string_view pipeline);

  // A review of the webhook. Result: "allowed", "refused", "unreadable".
  void Reviewed(std::string_view result, Seconds took);
  // When the webhook's certificate ends, in seconds since 1970.
  void CertificateEnds(int64_t end_s);

  void Request(std::string_view verb, const kube::Resource& resource, int code,
               Seconds took) override;
  void Throttled(Seconds waited) override;
  void Relisted(const kube::Resource& resource, std::string_view why) override;
  void WatchEnded(const kube::Resource& resource, std::string_view why) override;
  void CacheSize(const kube::Resource& resource, size_t objects, size_t bytes) override;
  void QueueDepth(std::string_view queue, size_t depth) override;
  void QueueWaited(std::string_view queue, Seconds waited) override;
  void QueueWorked(std::string_view queue, Seconds worked) override;
  void QueueRetried(std::string_view queue) override;
  void Leading(bool leading) override;
  void EventWritten() override;
  void EventDropped() override;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace levada::controller
