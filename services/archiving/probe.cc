#include "services/archiving/probe.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace levada::archiving {
namespace {

using Labels = std::map<std::string, std::string>;

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry,
                                                       const Labels& labels,
                                                       const std::string& name,
                                                       const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry);
}

prometheus::Gauge& MakeGauge(prometheus::Registry& registry, const Labels& labels,
                             const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Labels(labels).Register(registry).Add({});
}

}  // namespace

Probe::Probe(prometheus::Registry& registry, const Labels& labels)
    : commits_(CounterFamily(registry, labels, "levada_archiving_commits_total",
                             "Commits by the limit that was reached: size, count, time, handover")),
      files_(CounterFamily(registry, labels, "levada_archiving_files_total", "Files committed")
                 .Add({})),
      rows_(
          CounterFamily(registry, labels, "levada_archiving_rows_total", "Rows committed").Add({})),
      bytes_(CounterFamily(registry, labels, "levada_archiving_bytes_total",
                           "Bytes of committed files")
                 .Add({})),
      conflicts_(CounterFamily(registry, labels, "levada_archiving_conflicts_total",
                               "Commits that were tried again because another worker was first")
                     .Add({})),
      open_files_(MakeGauge(registry, labels, "levada_archiving_open_files",
                            "Files that rows are being added to")),
      buffered_bytes_(MakeGauge(registry, labels, "levada_archiving_buffered_bytes",
                                "Bytes of rows in memory that no file has yet")) {}

void Probe::Committed(std::string_view reason, uint64_t files, uint64_t rows, uint64_t bytes) {
  commits_.Add({{"reason", std::string(reason)}}).Increment();
  files_.Increment(static_cast<double>(files));
  rows_.Increment(static_cast<double>(rows));
  bytes_.Increment(static_cast<double>(bytes));
}

void Probe::Conflict() { conflicts_.Increment(); }

void Probe::OpenFiles(size_t files, size_t buffered_bytes) {
  open_files_.Set(static_cast<double>(files));
  buffered_bytes_.Set(static_cast<double>(buffered_bytes));
}

}  // namespace levada::archiving
