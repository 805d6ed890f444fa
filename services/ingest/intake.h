#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/kafka/producer.h"
#include "services/ingest/probe.h"
#include "services/ingest/rate_limiter.h"
#include "services/ingest/replays.h"
#include "services/ingest/results.h"
#include "services/ingest/validator.h"

namespace levada::runtime {
class Control;
class StageMetrics;
}  // namespace levada::runtime

// The one way of events into the topic that HTTP, gRPC and the schedule share: admission,
// validation, Kafka, and an answer when Kafka has answered for each event.
//
//   intake.Publish({.events = body.events}, [](Outcome outcome) { ... });
//
// Threads: Publish from any; it never blocks. The outcome comes before it returns or on the
// producer's thread.
namespace levada::ingest {

struct PublishCall {
  std::span<const std::string_view> events;  // read before Publish returns
  bool one_document = false;                 // an array: broken JSON in one element refuses all
  std::string_view idempotency_key;          // empty: none
};

struct Outcome {
  enum class Kind : uint8_t {
    kAnswered,     // `results`, one an event
    kMalformed,    // the array is no JSON
    kBusy,         // over the rate, or Kafka is behind: again after `retry_after`
    kUnavailable,  // draining or paused
    kConflict,     // the idempotency key belongs to another body
  };
  Kind kind = Kind::kAnswered;
  std::string error;
  std::chrono::seconds retry_after{1};
  std::vector<EventResult> results;
};

using Done = std::function<void(Outcome)>;

class Intake : public kafka::DeliveryListener {
 public:
  struct Options {
    std::string topic;
    double max_rate = 0;
    // Events that Kafka has not answered; beyond that, kBusy. Less than the producer's queue holds,
    // and as much as the manifest allows one request to have: one that comes alone gets through.
    size_t max_in_flight_bytes = 24 << 20;
    size_t max_in_flight_events = 400'000;
  };

  // All of these outlive the intake; `metrics` and `control` may be null.
  Intake(const Validator& validator, const Options& options, Probe& probe,
         runtime::StageMetrics* metrics, runtime::Control* control);

  // To be called before the first Publish, and again for each new producer.
  void Open(kafka::Producer* producer);
  void Publish(const PublishCall& call, Done done);

  // From now on everything is refused.
  void BeginDrain() { draining_ = true; }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }
  // Whether Kafka did not take the last record it answered for, and the news that it is reached.
  bool kafka_failed() const { return kafka_failed_.load(std::memory_order_relaxed); }
  void KafkaIsBack() { NoteKafka(absl::OkStatus()); }
  // Waits until every call was answered; false at the deadline.
  bool WaitUntilIdle(std::chrono::milliseconds deadline);

  void OnDelivery(void* opaque, const absl::Status& status, int32_t partition,
                  int64_t offset) override;

 private:
  struct Pending;

  Outcome Refusal(Outcome::Kind kind, std::string error, std::chrono::seconds retry_after);
  // False: `done` was answered or will be.
  bool Claim(const PublishCall& call, Done* done, std::vector<EventResult>* results);
  bool Admit(const PublishCall& call, Outcome* refusal);
  bool Validate(const PublishCall& call, Validator::Scratch* scratch, Pending* pending,
                std::vector<Event>* events, std::string* malformed);
  bool Reserve(const std::vector<Event>& events, Pending* pending);
  void Send(const std::vector<Event>& events, std::unique_ptr<Pending> pending);
  static void Settle(Pending* pending, size_t slot, const absl::Status& status, int32_t partition,
                     int64_t offset);
  void Finish(std::unique_ptr<Pending> pending);
  void NoteKafka(const absl::Status& status);

  const Validator& validator_;
  const Options options_;
  Probe& probe_;
  runtime::StageMetrics* const metrics_;
  runtime::Control* const control_;
  RateLimiter rate_;
  Replays replays_;
  const uint64_t hash_seed_;
  kafka::Producer* producer_ = nullptr;
  int topic_ = 0;

  std::atomic<bool> draining_{false};
  std::atomic<bool> kafka_failed_{false};
  std::atomic<size_t> in_flight_bytes_{0};
  std::atomic<size_t> in_flight_events_{0};
  std::mutex mutex_;
  std::condition_variable idle_;
  size_t calls_ = 0;  // of Publish that were not answered yet
};

}  // namespace levada::ingest
