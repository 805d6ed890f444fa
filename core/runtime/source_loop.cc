// The life of a Source: a producer, and the source's own threads until it is told to stop. A source
// that fails is begun again with backoff.

#include <thread>

#include "core/kafka/producer.h"
#include "core/runtime/worker.h"

namespace levada::runtime {
namespace {

constexpr std::chrono::seconds kLastFlush{20};
// Clients wait for the answer: after this they hear that Kafka did not take the record.
constexpr std::chrono::seconds kDeliveryTimeout{30};

// Tells the source to stop once the worker drains, and keeps the heart beating meanwhile.
class StopOnDrain {
 public:
  StopOnDrain(Control& control, Source& source)
      : thread_([this, &control, &source] {
          while (!done_) {
            control.Beat();
            if (control.paused() && control.state() == State::kRunning) {
              control.Set(State::kPaused);
            } else if (!control.paused() && control.state() == State::kPaused) {
              control.Set(State::kRunning);
            }
            if (control.draining()) {
              control.Set(State::kDraining);
              source.Stop();
              return;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
          }
        }) {}
  ~StopOnDrain() {
    done_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

absl::Status RunOnce(Worker& worker, Source& source) {
  kafka::Producer::Options options;
  options.client = worker.kafka;
  options.linger = std::chrono::milliseconds(2);
  options.delivery_timeout = kDeliveryTimeout;
  auto producer = kafka::Producer::Create(options, source.listener());
  if (!producer.ok()) return producer.status();
  StopOnDrain stopper(worker.control, source);
  absl::Status status = source.Run(producer->get(), [&] {
    if (!worker.control.draining()) worker.control.Set(State::kRunning);
  });
  const absl::Status flushed = (*producer)->Flush(kLastFlush);
  return status.ok() ? flushed : status;
}

}  // namespace

absl::Status RunSource(Worker& worker, Source& source) {
  base::Backoff backoff(kFirstWait, kLongestWait);
  absl::Status status;
  while (!worker.control.draining()) {
    status = RunOnce(worker, source);
    if (status.ok() || !Retriable(status)) break;
    WaitBeforeRetry(worker, status, ErrorType::kSource, backoff);
  }
  return worker.control.draining() && Retriable(status) ? absl::OkStatus() : status;
}

}  // namespace levada::runtime
