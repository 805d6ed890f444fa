#include "services/ingest/probe.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace levada::ingest {
namespace {

using Labels = std::map<std::string, std::string>;

const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};

// The metrics of one transport. Looking a counter up by its labels costs more than all else that is
// done for a request, so each is looked up once.
struct PerTransport {
  static constexpr int kStatuses = 600;

  PerTransport(const char* name, prometheus::Family<prometheus::Histogram>& histograms)
      : name(name), seconds(histograms.Add({{"transport", name}}, kSeconds)) {}

  prometheus::Counter& Requests(int status, prometheus::Family<prometheus::Counter>& family) {
    std::atomic<prometheus::Counter*>& known = counters[std::clamp(status, 0, kStatuses - 1)];
    prometheus::Counter* counter = known.load(std::memory_order_relaxed);
    if (counter == nullptr) {
      // Two threads at once get the same one.
      counter = &family.Add({{"transport", name}, {"status", std::to_string(status)}});
      known.store(counter, std::memory_order_relaxed);
    }
    return *counter;
  }

  const std::string name;
  prometheus::Histogram& seconds;
  std::array<std::atomic<prometheus::Counter*>, kStatuses> counters{};
};

}  // namespace

struct Probe::Families {
  Families(prometheus::Registry& registry, const Labels& labels)
      : requests(prometheus::BuildCounter()
                     .Name("levada_ingest_requests_total")
                     .Help("Requests answered, by transport and status (of gRPC: its number).")
                     .Labels(labels)
                     .Register(registry)),
        seconds(prometheus::BuildHistogram()
                    .Name("levada_ingest_request_seconds")
                    .Help("Time from a request's last byte to its answer.")
                    .Labels(labels)
                    .Register(registry)),
        http("http", seconds),
        grpc("grpc", seconds),
        events(prometheus::BuildCounter()
                   .Name("levada_ingest_events_total")
                   .Help("Events by what became of them.")
                   .Labels(labels)
                   .Register(registry)),
        accepted(events.Add({{"result", "accepted"}})),
        too_large(events.Add({{"result", "too_large"}})),
        not_json(events.Add({{"result", "not_json"}})),
        schema(events.Add({{"result", "schema"}})),
        unavailable(events.Add({{"result", "unavailable"}})),
        replays(prometheus::BuildCounter()
                    .Name("levada_ingest_replays_total")
                    .Help("Requests answered from memory by their idempotency key.")
                    .Labels(labels)
                    .Register(registry)
                    .Add({})),
        in_flight_events(prometheus::BuildGauge()
                             .Name("levada_ingest_in_flight_events")
                             .Help("Events that Kafka has not answered yet.")
                             .Labels(labels)
                             .Register(registry)
                             .Add({})),
        in_flight_bytes(prometheus::BuildGauge()
                            .Name("levada_ingest_in_flight_bytes")
                            .Help("Bytes of the events that Kafka has not answered yet.")
                            .Labels(labels)
                            .Register(registry)
                            .Add({})) {}

  prometheus::Family<prometheus::Counter>& requests;
  prometheus::Family<prometheus::Histogram>& seconds;
  PerTransport http;
  PerTransport grpc;
  prometheus::Family<prometheus::Counter>& events;
  prometheus::Counter& accepted;
  prometheus::Counter& too_large;
  prometheus::Counter& not_json;
  prometheus::Counter& schema;
  prometheus::Counter& unavailable;
  prometheus::Counter& replays;
  prometheus::Gauge& in_flight_events;
  prometheus::Gauge& in_flight_bytes;
};

Probe::Probe(prometheus::Registry& registry, const Labels& labels)
    : families_(std::make_unique<Families>(registry, labels)) {}

Probe::~Probe() = default;

void Probe::Answered(Transport transport, int status, std::chrono::steady_clock::duration took) {
  PerTransport& per = transport == Transport::kHttp ? families_->http : families_->grpc;
  per.Requests(status, families_->requests).Increment();
  per.seconds.Observe(std::chrono::duration<double>(took).count());
}

void Probe::Accepted(size_t events) { families_->accepted.Increment(static_cast<double>(events)); }

void Probe::Invalid(Fault::Reason reason, size_t events) {
  prometheus::Counter& counter = reason == Fault::Reason::kTooLarge  ? families_->too_large
                                 : reason == Fault::Reason::kNotJson ? families_->not_json
                                                                     : families_->schema;
  counter.Increment(static_cast<double>(events));
}

void Probe::Unavailable(size_t events) {
  families_->unavailable.Increment(static_cast<double>(events));
}

void Probe::Replayed() { families_->replays.Increment(); }

void Probe::InFlight(size_t events, size_t bytes) {
  families_->in_flight_events.Set(static_cast<double>(events));
  families_->in_flight_bytes.Set(static_cast<double>(bytes));
}

}  // namespace levada::ingest
