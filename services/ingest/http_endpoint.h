#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/ingest/intake.h"
#include "services/ingest/probe.h"

// Takes events by HTTP POST; docs/guide/ingest.md is what users read.
//
//   status  when
//   200     every event is in Kafka
//   207     some are, some are invalid
//   400     none is: all invalid, or the body is neither JSON nor NDJSON
//   413     body, or number of events, too large
//   415     Content-Type or Content-Encoding unknown
//   422     the Idempotency-Key was used with another body
//   429     over maxRate, or Kafka is behind: Retry-After
//   503     Kafka did not take some or all in time, draining, paused: Retry-After
//
// Threads: Start and Stop from one.
namespace levada::ingest {

class HttpEndpoint {
 public:
  struct Options {
    std::string address = "0.0.0.0";
    uint16_t port = 0;
    std::string path;
    size_t max_request_bytes = 16 << 20;
    size_t max_batch = 10'000;
    std::string tls_certificate;  // PEM; with the key
    std::string tls_key;
    int threads = 1;
  };

  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(const Options& options, Intake& intake,
                                                             Probe& probe);
  virtual ~HttpEndpoint() = default;
  virtual uint16_t port() const = 0;
  // Answers close their connections from now on; call with the intake draining.
  virtual void BeginDrain() = 0;
  virtual void Stop(std::chrono::milliseconds deadline) = 0;
};

}  // namespace levada::ingest
