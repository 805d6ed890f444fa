#include "services/indexing/probe.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace levada::indexing {
namespace {

using Labels = std::map<std::string, std::string>;

const prometheus::Histogram::BucketBoundaries kSeconds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                          0.5,   1,    2.5,   5,    10,  30};

prometheus::Counter& MakeCounter(prometheus::Registry& registry, const Labels& labels,
                                 const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry).Add({});
}

prometheus::Counter& Documents(prometheus::Registry& registry, const Labels& labels,
                               const std::string& result) {
  return prometheus::BuildCounter()
      .Name("levada_indexing_documents_total")
      .Help("Documents by what became of them: written, stale, retried, refused")
      .Labels(labels)
      .Register(registry)
      .Add({{"result", result}});
}

}  // namespace

Probe::Probe(prometheus::Registry& registry, const Labels& labels)
    : bulk_seconds_(prometheus::BuildHistogram()
                        .Name("levada_indexing_bulk_seconds")
                        .Help("Time of answered bulk requests")
                        .Labels(labels)
                        .Register(registry)
                        .Add({}, kSeconds)),
      bulk_bytes_(MakeCounter(registry, labels, "levada_indexing_bulk_bytes_total",
                              "Bytes of answered bulk requests, before compression")),
      bulk_failures_(MakeCounter(registry, labels, "levada_indexing_bulk_failures_total",
                                 "Bulk requests without a usable answer")),
      written_(Documents(registry, labels, "written")),
      stale_(Documents(registry, labels, "stale")),
      retried_(Documents(registry, labels, "retried")),
      refused_(Documents(registry, labels, "refused")) {}

void Probe::Bulk(std::chrono::duration<double> took, uint64_t bytes) {
  bulk_seconds_.Observe(took.count());
  bulk_bytes_.Increment(static_cast<double>(bytes));
}

void Probe::BulkFailed() { bulk_failures_.Increment(); }
void Probe::Written(uint64_t documents) { written_.Increment(static_cast<double>(documents)); }
void Probe::Stale(uint64_t documents) { stale_.Increment(static_cast<double>(documents)); }
void Probe::Retried(uint64_t documents) { retried_.Increment(static_cast<double>(documents)); }
void Probe::Refused(uint64_t documents) { refused_.Increment(static_cast<double>(documents)); }

}  // namespace levada::indexing
