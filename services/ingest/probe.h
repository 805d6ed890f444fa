#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "services/ingest/validator.h"

namespace prometheus {
class Registry;
}

// All metrics of ingest beyond those that every stage has; docs/metrics.md lists them.
//
// Thread-safety: all methods may be called from several threads.
namespace levada::ingest {

class Probe {
 public:
  Probe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels);
  ~Probe();

  enum class Transport { kHttp, kGrpc };
  // A request was answered. `status`: of HTTP, or the number of gRPC's code.
  void Answered(Transport transport, int status, std::chrono::steady_clock::duration took);
  void Accepted(size_t events);
  void Invalid(Fault::Reason reason, size_t events);
  void Unavailable(size_t events);
  void Replayed();
  // Events (and their bytes) that Kafka has not answered yet, now.
  void InFlight(size_t events, size_t bytes);

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

}  // namespace levada::ingest
