#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Where `levada generate` writes to. Threads: one.
namespace levada::cli {

class EventSink {
 public:
  virtual ~EventSink() = default;

  // Takes one event (or label), perhaps into a buffer. `key` is used by Kafka only; empty: none.
  virtual absl::Status Write(std::string_view key, std::string_view event) = 0;
  // Sends what is in the buffer.
  virtual absl::Status Push() = 0;
  // Sends what is in the buffer and waits until all is stored.
  virtual absl::Status Close() = 0;

  // Events that the other side did not take, and the first reason it gave.
  virtual uint64_t refused() const { return 0; }
  virtual std::string refusal() const { return ""; }
};

// A file that is made anew; "-" is standard output.
absl::StatusOr<std::unique_ptr<EventSink>> OpenFileSink(const std::string& path);

// A Levada gateway: NDJSON requests of `batch` events, each with an Idempotency-Key of its own that
// stays the same when the request is repeated. 429, 502, 503, 504 and lost connections are retried,
// after the time that Retry-After names or else with growing pauses, ten times a request; so are
// single events that the gateway could not take for now. A retry ends early when `stop` becomes
// true.
absl::StatusOr<std::unique_ptr<EventSink>> OpenHttpSink(const std::string& url, uint32_t batch,
                                                        const std::atomic<bool>* stop);

// A topic, through an idempotent producer.
absl::StatusOr<std::unique_ptr<EventSink>> OpenKafkaSink(const std::string& brokers,
                                                         const std::string& topic);

}  // namespace levada::cli
