#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

namespace prometheus {
class Counter;
class Histogram;
class Registry;
}  // namespace prometheus

// What an indexing stage counts beside what every stage counts (docs/metrics.md). Threads: any.
namespace levada::indexing {

class Probe {
 public:
  Probe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels);

  // A bulk request that was answered, with its bytes before compression.
  void Bulk(std::chrono::duration<double> took, uint64_t bytes);
  void BulkFailed();
  // Documents written; already there in this version or a newer one; to be sent again; refused.
  void Written(uint64_t documents);
  void Stale(uint64_t documents);
  void Retried(uint64_t documents);
  void Refused(uint64_t documents);

 private:
  prometheus::Histogram& bulk_seconds_;
  prometheus::Counter& bulk_bytes_;
  prometheus::Counter& bulk_failures_;
  prometheus::Counter& written_;
  prometheus::Counter& stale_;
  prometheus::Counter& retried_;
  prometheus::Counter& refused_;
};

}  // namespace levada::indexing
