#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/backoff.h"
#include "core/kafka/client.h"
#include "core/runtime/control.h"
#include "core/runtime/metrics.h"
#include "core/runtime/stage.h"

// What the loops share. A loop runs until it drained (OK) or cannot go on (the process ends and is
// started again). Inside, a session is one consumer and one producer: whatever goes wrong with
// them, the session is thrown away and the next one begins from what Kafka has committed. There is
// no second way to recover, so the one that there is is always tested.
namespace levada::kafka {
class Consumer;
class RebalanceListener;
}  // namespace levada::kafka

namespace levada::runtime {

inline constexpr std::chrono::milliseconds kFirstWait{100};
inline constexpr std::chrono::milliseconds kLongestWait{10'000};

// Closing a client talks to brokers that may be away, and has been seen to hang in librdkafka 2.0
// after a fatal error. Then the process ends itself: Control::Beat.
inline constexpr std::chrono::seconds kCloseWithin{20};

struct Worker {
  const StageContext& context;
  Control& control;
  StageMetrics& metrics;
  kafka::ClientConfig kafka;
  std::string group;           // consumer group
  std::string input;           // topic to read
  std::string instance;        // stays over restarts of this worker; may be empty
  std::string client_id = "";  // Processor::client_id
};

// The reader of the worker's input, in its group. `listener` outlives it.
absl::StatusOr<std::unique_ptr<kafka::Consumer>> OpenInput(const Worker& worker,
                                                           kafka::RebalanceListener* listener);

// Counts a rebalance that gives the worker `change` partitions more, or fewer, than the reader has.
void CountRebalance(Worker& worker, const kafka::Consumer& input, int change);

// True where the same may work in a moment: the server is away, the session was lost. What cannot
// be mended by waiting (an unknown topic that nobody creates, a refused password) is waited for as
// well, since somebody may mend it; the state says what is wrong.
bool Retriable(const absl::Status& status);

// Says that something failed and waits, at most until `draining`. Counts it.
void WaitBeforeRetry(Worker& worker, const absl::Status& status, ErrorType type,
                     base::Backoff& backoff);

// The loops. They return when the worker drained, or with what ended it.
absl::Status RunProcessor(Worker& worker, Processor& processor);
absl::Status RunSink(Worker& worker, Sink& sink);
absl::Status RunSource(Worker& worker, Source& source);

// `levada pipe`: lines of standard input through the stage. Returns the exit code.
// `levada pipe`.
struct PipeOptions {
  bool csv_in = false;
  std::vector<std::string> csv_out;  // the fields of its rows; empty: NDJSON
};
int RunPipe(const StageContext& context, const PipeOptions& options, Processor* processor,
            Sink* sink, Source* source);
// `levada test`: what a test says, request by request (session.cc). Returns the exit code.
int RunTestSession(const StageContext& context, Processor* processor, Sink* sink, Source* source);

}  // namespace levada::runtime
