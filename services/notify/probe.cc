#include "services/notify/probe.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace levada::notify {
namespace {

using Labels = std::map<std::string, std::string>;

const prometheus::Histogram::BucketBoundaries kSeconds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                          0.5,   1,    2.5,   5,    10,  30};

template <typename Build>
auto& One(Build build, const char* name, const char* help, const Labels& labels,
          prometheus::Registry& registry) {
  return build.Name(name).Help(help).Labels(labels).Register(registry);
}

}  // namespace

struct Probe::Metrics {
  Metrics(prometheus::Registry& registry, const Labels& labels)
      : sent(One(prometheus::BuildCounter(), "levada_notify_sent_total",
                 "Notifications that the other side has taken.", labels, registry)
                 .Add({})),
        events(One(prometheus::BuildCounter(), "levada_notify_events_total",
                   "Events in the notifications that were taken.", labels, registry)
                   .Add({})),
        repeats(One(prometheus::BuildCounter(), "levada_notify_repeats_total",
                    "Notifications taken that were marked as repeats.", labels, registry)
                    .Add({})),
        failed(One(prometheus::BuildCounter(), "levada_notify_failed_total",
                   "Notifications that the other side refused for good.", labels, registry)
                   .Add({})),
        lost(One(prometheus::BuildCounter(), "levada_notify_answers_lost_total",
                 "Sends of which it is not known whether they were taken.", labels, registry)
                 .Add({})),
        throttled(One(prometheus::BuildCounter(), "levada_notify_throttled_seconds_total",
                      "Time in which notifications waited because of the throttle.", labels,
                      registry)
                      .Add({})),
        waiting(One(prometheus::BuildGauge(), "levada_notify_waiting_events",
                    "Events that wait to be sent.", labels, registry)
                    .Add({})),
        groups(One(prometheus::BuildGauge(), "levada_notify_groups",
                   "Groups that wait for more events.", labels, registry)
                   .Add({})),
        send_seconds(One(prometheus::BuildHistogram(), "levada_notify_send_seconds",
                         "Time from a send to its answer.", labels, registry)
                         .Add({}, kSeconds)) {}

  prometheus::Counter& sent;
  prometheus::Counter& events;
  prometheus::Counter& repeats;
  prometheus::Counter& failed;
  prometheus::Counter& lost;
  prometheus::Counter& throttled;
  prometheus::Gauge& waiting;
  prometheus::Gauge& groups;
  prometheus::Histogram& send_seconds;
};

Probe::Probe(prometheus::Registry& registry, const Labels& labels)
    : metrics_(std::make_unique<Metrics>(registry, labels)) {}
Probe::~Probe() = default;

void Probe::Sent(size_t events, bool repeat) {
  metrics_->sent.Increment();
  metrics_->events.Increment(static_cast<double>(events));
  if (repeat) metrics_->repeats.Increment();
}
void Probe::Failed() { metrics_->failed.Increment(); }
void Probe::AnswerLost() { metrics_->lost.Increment(); }
void Probe::Took(std::chrono::duration<double> send) {
  metrics_->send_seconds.Observe(send.count());
}
void Probe::Throttled(std::chrono::duration<double> span) {
  metrics_->throttled.Increment(span.count());
}
void Probe::Waiting(size_t events, size_t groups) {
  metrics_->waiting.Set(static_cast<double>(events));
  metrics_->groups.Set(static_cast<double>(groups));
}

}  // namespace levada::notify
