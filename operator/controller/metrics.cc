#include "operator/controller/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <mutex>

namespace levada::controller {
namespace {

using Labels = std::map<std::string, std::string>;

const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

Labels OfResource(const kube::Resource& resource) {
  return {{"resource", std::string(resource.plural)}};
}
Labels OfQueue(std::string_view queue) { return {{"queue", std::string(queue)}}; }
Labels OfPipeline(std::string_view name_space, std::string_view pipeline) {
  return {{"namespace", std::string(name_space)}, {"pipeline", std::string(pipeline)}};
}

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;

  template <typename Builder>
  auto& Add(Builder builder, const char* name, const char* help) {
    return builder.Name(name).Help(help).Register(registry);
  }
  prometheus::Family<prometheus::Counter>& Counter(const char* name, const char* help) {
    return Add(prometheus::BuildCounter(), name, help);
  }
  prometheus::Family<prometheus::Gauge>& Gauge(const char* name, const char* help) {
    return Add(prometheus::BuildGauge(), name, help);
  }
  prometheus::Family<prometheus::Histogram>& Histogram(const char* name, const char* help) {
    return Add(prometheus::BuildHistogram(), name, help);
  }

  prometheus::Family<prometheus::Histogram>& reconcile = Histogram(
      "levada_operator_reconcile_seconds", "Time to look at one pipeline, by what became of it.");
  prometheus::Family<prometheus::Gauge>& pipelines =
      Gauge("levada_operator_pipelines", "Pipelines by phase.");
  prometheus::Family<prometheus::Counter>& failures =
      Counter("levada_operator_failures_total", "Looks at this pipeline that failed.");
  prometheus::Family<prometheus::Counter>& requests =
      Counter("levada_operator_api_requests_total", "Requests to the Kubernetes API.");
  prometheus::Family<prometheus::Histogram>& request_seconds =
      Histogram("levada_operator_api_request_seconds", "Time of a request to the Kubernetes API.");
  prometheus::Family<prometheus::Counter>& throttled = Counter(
      "levada_operator_api_throttled_seconds_total", "Time that requests waited for their turn.");
  prometheus::Family<prometheus::Counter>& relists = Counter(
      "levada_operator_relists_total", "Times that all objects of a kind were listed anew.");
  prometheus::Family<prometheus::Counter>& watches =
      Counter("levada_operator_watches_ended_total", "Watches that ended, by why.");
  prometheus::Family<prometheus::Gauge>& cached =
      Gauge("levada_operator_cached_objects", "Objects in the operator's copy of the cluster.");
  prometheus::Family<prometheus::Gauge>& cached_bytes =
      Gauge("levada_operator_cached_bytes", "Their bytes.");
  prometheus::Family<prometheus::Gauge>& depth =
      Gauge("levada_operator_queue_depth", "Pipelines that wait to be looked at.");
  prometheus::Family<prometheus::Histogram>& waited = Histogram(
      "levada_operator_queue_wait_seconds", "Time from when a look was due to when it began.");
  prometheus::Family<prometheus::Counter>& retried =
      Counter("levada_operator_retries_total", "Looks that are tried again after a failure.");
  prometheus::Family<prometheus::Gauge>& leader =
      Gauge("levada_operator_leader", "1 while this process is the one that acts.");
  prometheus::Family<prometheus::Counter>& events =
      Counter("levada_operator_events_total", "Kubernetes events, by what became of them.");
  prometheus::Family<prometheus::Histogram>& reviews = Histogram(
      "levada_operator_webhook_seconds", "Time of a review by the webhook, by what became of it.");
  prometheus::Family<prometheus::Gauge>& certificate =
      Gauge("levada_operator_webhook_certificate_end_timestamp_seconds",
            "When the webhook's certificate ends.");

  // The counters of single pipelines, to take them back.
  std::mutex mutex;
  std::map<Labels, prometheus::Counter*> of_pipelines;
};

Metrics::Metrics() : families_(std::make_unique<Families>()) { families_->leader.Add({}).Set(0); }
Metrics::~Metrics() = default;

prometheus::Registry& Metrics::registry() { return families_->registry; }

void Metrics::Reconciled(std::string_view result, Seconds took) {
  families_->reconcile.Add({{"result", std::string(result)}}, kSeconds).Observe(took.count());
}

void Metrics::Pipelines(std::string_view phase, size_t count) {
  families_->pipelines.Add({{"phase", std::string(phase)}}).Set(static_cast<double>(count));
}

void Metrics::Reviewed(std::string_view result, Seconds took) {
  families_->reviews.Add({{"result", std::string(result)}}, kSeconds).Observe(took.count());
}

void Metrics::CertificateEnds(int64_t end_s) {
  families_->certificate.Add({}).Set(static_cast<double>(end_s));
}

void Metrics::Failed(std::string_view name_space, std::string_view pipeline) {
  const Labels labels = OfPipeline(name_space, pipeline);
  const std::lock_guard lock(families_->mutex);
  prometheus::Counter*& counter = families_->of_pipelines[labels];
  if (counter == nullptr) counter = &families_->failures.Add(labels);
  counter->Increment();
}

void Metrics::Forget(std::string_view name_space, std::string_view pipeline) {
  const std::lock_guard lock(families_->mutex);
  const auto found = families_->of_pipelines.find(OfPipeline(name_space, pipeline));
  if (found == families_->of_pipelines.end()) return;
  families_->failures.Remove(found->second);
  families_->of_pipelines.erase(found);
}

void Metrics::Request(std::string_view verb, const kube::Resource& resource, int code,
                      Seconds took) {
  Labels labels = OfResource(resource);
  labels["verb"] = verb;
  if (verb != "watch") families_->request_seconds.Add(labels, kSeconds).Observe(took.count());
  labels["code"] = std::to_string(code);
  families_->requests.Add(labels).Increment();
}

void Metrics::Throttled(Seconds waited) { families_->throttled.Add({}).Increment(waited.count()); }

void Metrics::Relisted(const kube::Resource& resource, std::string_view why) {
  Labels labels = OfResource(resource);
  labels["why"] = why;
  families_->relists.Add(labels).Increment();
}

void Metrics::WatchEnded(const kube::Resource& resource, std::string_view why) {
  Labels labels = OfResource(resource);
  labels["why"] = why;
  families_->watches.Add(labels).Increment();
}

void Metrics::CacheSize(const kube::Resource& resource, size_t objects, size_t bytes) {
  families_->cached.Add(OfResource(resource)).Set(static_cast<double>(objects));
  families_->cached_bytes.Add(OfResource(resource)).Set(static_cast<double>(bytes));
}

void Metrics::QueueDepth(std::string_view queue, size_t depth) {
  families_->depth.Add(OfQueue(queue)).Set(static_cast<double>(depth));
}

void Metrics::QueueWaited(std::string_view queue, Seconds waited) {
  families_->waited.Add(OfQueue(queue), kSeconds).Observe(waited.count());
}

// What the controller's own `reconcile` says already.
void Metrics::QueueWorked(std::string_view, Seconds) {}

void Metrics::QueueRetried(std::string_view queue) {
  families_->retried.Add(OfQueue(queue)).Increment();
}

void Metrics::Leading(bool leading) { families_->leader.Add({}).Set(leading ? 1 : 0); }

void Metrics::EventWritten() { families_->events.Add({{"result", "written"}}).Increment(); }
void Metrics::EventDropped() { families_->events.Add({{"result", "dropped"}}).Increment(); }

}  // namespace levada::controller
