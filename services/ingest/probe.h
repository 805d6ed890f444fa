#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

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

  // A request was answered. `transport`: "http" or "grpc"; `status`: the HTTP status or the gRPC
  // code's name.
  void Answered(std::string_view transport, std::string_view status,
                std::chrono::steady_clock::duration took);
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
