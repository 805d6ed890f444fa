#include "services/ingest/intake.h"

#include <utility>

#include "core/base/hash.h"
#include "core/base/random.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/record/headers.h"
#include "core/runtime/control.h"
#include "core/runtime/metrics.h"

namespace levada::ingest {
namespace {

using Clock = std::chrono::steady_clock;
using Code = EventResult::Code;

constexpr size_t kRecordOverhead = 64;  // of Kafka's batch format and our headers, about
constexpr std::chrono::milliseconds kNoWait{0};

}  // namespace

// A call on its way through Kafka. `left` counts the records without an answer, and the call itself
// while it still hands records over, so that it cannot end under its own feet.
struct Intake::Pending {
  struct Slot {
    Pending* pending;
    size_t result;
    uint32_t bytes;
  };

  std::vector<EventResult> results;
  std::vector<Slot> slots;  // one a record; their addresses are Kafka's opaque pointers
  std::atomic<size_t> left{1};
  size_t bytes = 0;             // reserved
  uint64_t accepted_bytes = 0;  // by the producer's thread only
  Clock::time_point begun = Clock::now();
  Done done;
};

Intake::Intake(const Validator& validator, const Options& options, Probe& probe,
               runtime::StageMetrics* metrics, runtime::Control* control)
    : validator_(validator),
      options_(options),
      probe_(probe),
      metrics_(metrics),
      control_(control),
      rate_(options.max_rate),
      hash_seed_(base::RandomSeed()) {}

void Intake::Open(kafka::Producer* producer) {
  producer_ = producer;
  topic_ = producer->AddTopic(options_.topic);
}

void Intake::Publish(const PublishCall& call, Done done) {
  if (draining()) {
    return done(Refusal(Outcome::Kind::kUnavailable, "the stage is draining", {}));
  }
  if (control_ != nullptr && control_->paused()) {
    return done(Refusal(Outcome::Kind::kUnavailable, "the stage is paused", {}));
  }
  auto pending = std::make_unique<Pending>();
  if (!Claim(call, &done, &pending->results)) return;
  Outcome refusal;
  if (!Admit(call, &refusal)) return done(std::move(refusal));
  pending->done = std::move(done);
  pending->results.resize(call.events.size());
  std::vector<Event> events;
  Validator::Scratch scratch(validator_);
  std::string malformed;
  if (!Validate(call, &scratch, pending.get(), &events, &malformed)) {
    return pending->done(Refusal(Outcome::Kind::kMalformed, std::move(malformed), {}));
  }
  if (!Reserve(events, pending.get())) {
    return pending->done(Refusal(Outcome::Kind::kBusy, "Kafka is behind", std::chrono::seconds(1)));
  }
  Send(events, std::move(pending));
}

Outcome Intake::Refusal(Outcome::Kind kind, std::string error, std::chrono::seconds retry_after) {
  return {.kind = kind,
          .error = std::move(error),
          .retry_after = std::max(retry_after, std::chrono::seconds(1))};
}

bool Intake::Claim(const PublishCall& call, Done* done, std::vector<EventResult>* results) {
  if (call.idempotency_key.empty()) return true;
  uint64_t hash = hash_seed_;
  for (const std::string_view event : call.events) hash = base::HashBytes(event, hash);
  std::string key(call.idempotency_key);
  ingest::Claim claim =
      replays_.Begin(key, hash, Clock::now(), [done = *done](const auto* results) {
        if (results != nullptr) return done({.results = *results});
        done({.kind = Outcome::Kind::kBusy, .error = "the same request was refused just now"});
      });
  switch (claim.kind) {
    case Claim::Kind::kWaiting:
      probe_.Replayed();
      return false;
    case Claim::Kind::kDone:
      probe_.Replayed();
      (*done)({.results = std::move(claim.results)});
      return false;
    case Claim::Kind::kConflict:
      (*done)(
          Refusal(Outcome::Kind::kConflict, "this idempotency key was used with another body", {}));
      return false;
    case Claim::Kind::kFull:
      (*done)(Refusal(Outcome::Kind::kBusy, "too many idempotency keys under way", {}));
      return false;
    case Claim::Kind::kResume:
      *results = std::move(claim.results);
      [[fallthrough]];
    case Claim::Kind::kNew:
      break;
  }
  *done = [this, key = std::move(key), inner = std::move(*done)](Outcome outcome) {
    const bool answered = outcome.kind == Outcome::Kind::kAnswered;
    replays_.End(key, answered ? &outcome.results : nullptr, Clock::now());
    inner(std::move(outcome));
  };
  return true;
}

bool Intake::Admit(const PublishCall& call, Outcome* refusal) {
  const std::chrono::seconds wait = rate_.Take(call.events.size(), Clock::now());
  if (wait.count() == 0) return true;
  *refusal = Refusal(Outcome::Kind::kBusy, "more events than maxRate allows", wait);
  return false;
}

// Fills the results of what is refused, and for the others `events` and slots.
bool Intake::Validate(const PublishCall& call, Validator::Scratch* scratch, Pending* pending,
                      std::vector<Event>* events, std::string* malformed) {
  events->reserve(call.events.size());
  pending->slots.reserve(call.events.size());
  Event event;
  Fault fault;
  for (size_t i = 0; i < call.events.size(); ++i) {
    EventResult& result = pending->results[i];
    if (result.code != Code::kUnavailable) continue;  // settled when the request first came
    if (validator_.Check(call.events[i], scratch, &event, &fault)) {
      events->push_back(event);
      pending->slots.push_back({pending, i, static_cast<uint32_t>(event.bytes.size())});
      continue;
    }
    json::Value value;
    if (call.one_document && fault.reason == Fault::Reason::kNotJson &&
        !json::ScanValue(call.events[i], &value).ok()) {
      *malformed = base::StrCat("not a JSON array: element ", i, ": ", fault.text);
      return false;
    }
    probe_.Invalid(fault.reason, 1);
    result.code = Code::kInvalid;
    result.error = std::move(fault.text);
  }
  return true;
}

bool Intake::Reserve(const std::vector<Event>& events, Pending* pending) {
  for (const Event& event : events) {
    pending->bytes += event.bytes.size() + event.key.size() + kRecordOverhead;
  }
  const size_t bytes = in_flight_bytes_.fetch_add(pending->bytes) + pending->bytes;
  const size_t count = in_flight_events_.fetch_add(events.size()) + events.size();
  // A batch that is too large by itself passes when it is alone.
  const bool alone = bytes == pending->bytes;
  if (!alone && (bytes > options_.max_in_flight_bytes || count > options_.max_in_flight_events)) {
    in_flight_bytes_ -= pending->bytes;
    in_flight_events_ -= events.size();
    return false;
  }
  probe_.InFlight(count, bytes);
  return true;
}

void Intake::Send(const std::vector<Event>& events, std::unique_ptr<Pending> owned) {
  {
    std::lock_guard lock(mutex_);
    ++calls_;
  }
  Pending* const pending = owned.release();  // Finish takes it back
  pending->left += events.size();
  size_t failed = 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    const kafka::Outgoing record{.topic = topic_,
                                 .key = event.key,
                                 .has_key = event.has_key,
                                 .value = event.bytes,
                                 .opaque = &pending->slots[i]};
    const absl::Status status = producer_->Produce(record, kNoWait);
    bytes += event.bytes.size();
    if (status.ok()) continue;
    Settle(pending, i, status, -1, -1);
    ++failed;
  }
  if (metrics_ != nullptr) metrics_->In(events.size(), bytes);
  if (pending->left.fetch_sub(failed + 1) == failed + 1) Finish(std::unique_ptr<Pending>(pending));
}

void Intake::OnDelivery(void* opaque, const absl::Status& status, int32_t partition,
                        int64_t offset) {
  auto* const slot = static_cast<Pending::Slot*>(opaque);
  Pending* const pending = slot->pending;
  NoteKafka(status);
  if (status.ok()) pending->accepted_bytes += slot->bytes;
  Settle(pending, static_cast<size_t>(slot - pending->slots.data()), status, partition, offset);
  if (pending->left.fetch_sub(1) == 1) Finish(std::unique_ptr<Pending>(pending));
}

void Intake::Settle(Pending* pending, size_t slot, const absl::Status& status, int32_t partition,
                    int64_t offset) {
  EventResult& result = pending->results[pending->slots[slot].result];
  if (status.ok()) {
    result = {.code = Code::kAccepted, .partition = partition, .offset = offset};
  } else {
    // A record that Kafka will never take is the sender's matter; all else may pass.
    result.code = absl::IsInvalidArgument(status) ? Code::kInvalid : Code::kUnavailable;
    result.error = std::string(status.message());
  }
}

void Intake::Finish(std::unique_ptr<Pending> pending) {
  const size_t sent = pending->slots.size();
  const size_t bytes = in_flight_bytes_.fetch_sub(pending->bytes) - pending->bytes;
  const size_t count = in_flight_events_.fetch_sub(sent) - sent;
  probe_.InFlight(count, bytes);
  Tally tally;
  for (const Pending::Slot& slot : pending->slots) {
    const Code code = pending->results[slot.result].code;
    tally.accepted += code == Code::kAccepted;
    tally.invalid += code == Code::kInvalid;
    tally.unavailable += code == Code::kUnavailable;
  }
  if (tally.accepted > 0) {
    probe_.Accepted(tally.accepted);
    if (metrics_ != nullptr) {
      metrics_->Out(tally.accepted, pending->accepted_bytes);
      metrics_->Latency(
          std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - pending->begun),
          tally.accepted);
    }
  }
  if (tally.invalid > 0) probe_.Invalid(Fault::Reason::kTooLarge, tally.invalid);
  if (tally.unavailable > 0) probe_.Unavailable(tally.unavailable);
  pending->done({.results = std::move(pending->results)});
  // Not before the answer is on its way: a drain waits for this.
  std::lock_guard lock(mutex_);
  if (--calls_ == 0) idle_.notify_all();
}

void Intake::NoteKafka(const absl::Status& status) {
  const bool failed = !status.ok() && !absl::IsInvalidArgument(status);
  if (kafka_failed_.load(std::memory_order_relaxed) == failed) return;
  kafka_failed_ = failed;
  if (control_ == nullptr || draining()) return;
  if (failed) {
    control_->Set(runtime::State::kRetrying, base::View(status.message()));
  } else {
    control_->Set(runtime::State::kRunning);
  }
}

bool Intake::WaitUntilIdle(std::chrono::milliseconds deadline) {
  std::unique_lock lock(mutex_);
  return idle_.wait_for(lock, deadline, [&] { return calls_ == 0; });
}

}  // namespace levada::ingest
