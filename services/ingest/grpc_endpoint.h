#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/ingest/intake.h"
#include "services/ingest/probe.h"

// Takes events by gRPC, service levada.v1.IngestService. The results are one an event; a request
// that is refused as a whole ends in a status:
//
//   INVALID_ARGUMENT     no event, more than maxBatch, idempotency key too long
//   RESOURCE_EXHAUSTED   over maxRate, or Kafka is behind; trailer `retry-after` in seconds
//   FAILED_PRECONDITION  the idempotency key was used with other events
//   UNAVAILABLE          draining or paused
//
// On a stream, RESOURCE_EXHAUSTED does not happen: nothing more is read from the client until its
// last request was let in. Requests are written to Kafka in their order.
//
// Threads: Start and Stop from one.
namespace levada::ingest {

class GrpcEndpoint {
 public:
  struct Options {
    std::string address = "0.0.0.0";
    uint16_t port = 0;
    size_t max_request_bytes = 16 << 20;
    size_t max_batch = 10'000;
    std::string tls_certificate;  // PEM; with the key
    std::string tls_key;
  };

  static absl::StatusOr<std::unique_ptr<GrpcEndpoint>> Start(const Options& options, Intake& intake,
                                                             Probe& probe);
  virtual ~GrpcEndpoint() = default;
  virtual uint16_t port() const = 0;
  // Ends streams that have nothing under way; call with the intake draining.
  virtual void BeginDrain() = 0;
  virtual void Stop(std::chrono::milliseconds deadline) = 0;
};

}  // namespace levada::ingest
