#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/record/record.h"
#include "levada/v1/pipeline.pb.h"

// What a service implements. The runtime does the rest: Kafka, transactions, rebalancing, dead
// letters, retries, drain, health, metrics, control.
//
// A service is one of three kinds:
//   Processor  reads a topic and writes topics, exactly once       (scoring)
//   Sink       reads a topic and writes somewhere else              (indexing, archiving, notify)
//   Source     brings records from somewhere else into a topic      (ingest)
//
//   absl::StatusOr<std::unique_ptr<runtime::Sink>> MakeIndexer(const runtime::StageContext&);
//   int main(int argc, char** argv) {
//     return levada::runtime::Main(argc, argv, {.name = "indexing", .sink = MakeIndexer});
//   }
//
// Status codes mean the same everywhere: kUnavailable is retried with backoff while consumption
// pauses; anything else ends the process, which the runner starts again. Data never does either:
// what cannot be processed becomes a dead letter.
//
// Threads: all calls of a Processor or Sink come from one thread.
namespace prometheus {
class Registry;
}

namespace levada::base {
class Secrets;
}

namespace levada::kafka {
struct ClientConfig;
class DeliveryListener;
class Producer;
}  // namespace levada::kafka

namespace levada::runtime {

class StageMetrics;
class Control;
class Stateful;

// Everything a stage is made from. Outlives the stage.
struct StageContext {
  const v1::Pipeline& pipeline;  // defaults applied
  const v1::Stage& stage;
  const base::Secrets& secrets;
  const kafka::ClientConfig& kafka;
  StageMetrics& metrics;           // the common ones; counted by the runtime for Processor and Sink
  prometheus::Registry& registry;  // for the service's own probe
  Control& control;                // state and message shown to people; pause flag
  bool pipe = false;               // `levada pipe`: no Kafka, nothing outside is touched

  // Where a FILE of the manifest is: relative names are below the directory of the manifest.
  std::string FilePath(std::string_view name) const;
  // Where a stage's folder is: below --data-dir.
  std::string DataPath(std::string_view folder) const;
  // The declared topic, or null.
  const v1::Topic* FindTopic(std::string_view name) const;
  // The connection, or null.
  const v1::Connection* FindConnection(std::string_view name) const;
  // Labels of every metric of this stage.
  std::map<std::string, std::string> Labels() const;

  std::string files_dir;
  std::string data_dir;
  std::string listen = "0.0.0.0";  // IP address of the ports that the manifest names
  std::string advertise = "";      // IP address at which other workers reach them; empty: not known
  std::string state_dir = "";      // the worker's own folder; empty: none
  // Between two snapshots of a partition's state; 0: only when the worker ends.
  std::chrono::milliseconds snapshot_every = std::chrono::minutes(5);
};

// How many events have come to a step, and for how many each of its rules held.
struct StepReached {
  std::string step;  // "step 2 (rules)"
  uint64_t events = 0;
  struct Rule {
    std::string name;
    uint64_t events = 0;
  };
  std::vector<Rule> rules;
};

class Processor {
 public:
  virtual ~Processor() = default;
  // Names of the topics that OutputRecord::topic indexes.
  virtual const std::vector<std::string>& output_topics() const = 0;
  // Appends to `out` what becomes of the records of `in`, in order; where that may be without end,
  // with PassOn in between. Never fails on data.
  virtual absl::Status Process(const Batch& in, OutputBatch* out) = 0;
  // What it remembers between batches (core/runtime/stateful.h); null: nothing.
  virtual Stateful* state() { return nullptr; }
  // Since it was made: what tests have covered.
  virtual std::vector<StepReached> Coverage() const { return {}; }
  // Starts what answers beside the stream (the synchronous detector); called once, when Kafka is
  // reached. Drain: no new requests, finish those under way.
  virtual absl::Status StartServing() { return absl::OkStatus(); }
  virtual void StopServing() {}
  // The name of its consumer, which others of the group see; asked for after StartServing. Empty:
  // nothing to say.
  virtual std::string client_id() const { return ""; }
};

// Where a sink is to begin or has got to: partition → next offset to read.
using Offsets = std::map<int32_t, int64_t>;

// A partition that was handed to this worker.
struct Assignment {
  int32_t partition = 0;
  int64_t offset = -1;  // next offset by the group's commit; -1: none was ever committed
  // Counts the topic's lives: grows when a topic is created again under the same name (its offsets
  // begin anew). Units of 10 s since 2024-01-01 when the group first read the partition.
  int64_t epoch = 0;
  // The first offset that retention has left.
  int64_t begin = 0;
  // Where the partition ends now: a sink whose own offset lies behind it knows that the topic was
  // created again.
  int64_t end = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Partitions that from now on come here. A sink that records offsets with its data sets
  // `offset` of each to where its data ends. Unavailable is retried.
  virtual absl::Status Assign(std::vector<Assignment>* partitions) {
    (void)partitions;
    return absl::OkStatus();
  }
  // Takes records over; the batch is gone afterwards unless the sink keeps a copy of it (copies of
  // a Batch share their memory). No waiting on anything outside here. Records that cannot be
  // written are appended to `dead_letters`.
  virtual absl::Status Add(const Batch& batch, std::vector<DeadLetter>* dead_letters) = 0;
  // True when Flush should be called now.
  virtual bool Full() const = 0;
  // When Flush should be called even if nothing more arrives; time_point::max() if nothing waits.
  virtual std::chrono::steady_clock::time_point FlushAt() const = 0;
  // Makes durable all that was added; the runtime then commits the offsets. With kUnavailable it is
  // called again (and goes on where it stood) until it succeeds or the records are taken away.
  // Records that the other side refused for good: `dead`, with the batch they came in.
  struct Rejected {
    Record record;  // views stay valid until Flush is called the next time
    std::string error;
    std::vector<Header> headers;  // the record's own; views as in `record`
  };
  virtual absl::Status Flush(std::vector<Rejected>* rejected) = 0;
  // Forgets what was added and not flushed: the partitions went elsewhere.
  virtual void Discard() = 0;

  // Only for a sink with a condition: what the manifest says to leave out of the records of the
  // last Add. They count as filtered, and not as sent on.
  struct Filtered {
    uint64_t records = 0;
    uint64_t bytes = 0;  // keys and values
  };
  virtual Filtered filtered() const { return {}; }

  // ---- Only for a sink that holds records back over a Flush (a group that waits for more, sends
  // that are throttled) ----
  // Asked after each Flush that returned OK: the next offset to read of each partition, up to which
  // the runtime commits. Without a value: all that was added.
  virtual std::optional<Offsets> Committable() const { return std::nullopt; }
  // False: it holds as many records as it may. Consumption pauses; Flush is called as ever.
  virtual bool TakesMore() const { return true; }
  // The worker is about to end: what waits for more is due now.
  virtual void Drain() {}
  // These partitions go elsewhere, after a last Flush and commit where there was time for them:
  // their records are forgotten, those of other partitions stay.
  virtual void Release(const std::vector<int32_t>& partitions) {
    (void)partitions;
    Discard();
  }

  // `levada pipe`: what this sink would send, as NDJSON.
  virtual absl::Status Pipe(const Batch& batch, std::string* ndjson,
                            std::vector<DeadLetter>* dead_letters) = 0;
};

class Source {
 public:
  virtual ~Source() = default;
  // Runs until `stop` is asked for, then refuses new work, finishes what is under way and returns.
  // Before anything else it calls `ready` once it takes work. The producer is idempotent and
  // shared by all threads. (Transactional sources make one of their own.)
  virtual absl::Status Run(kafka::Producer* producer, const std::function<void()>& ready) = 0;
  // Who hears what became of each record that `producer` sent.
  virtual kafka::DeliveryListener* listener() { return nullptr; }
  // From another thread: begin the end.
  virtual void Stop() = 0;
  virtual absl::Status Pipe(const Batch& batch, std::string* ndjson,
                            std::vector<DeadLetter>* dead_letters) = 0;
};

struct Service {
  std::string_view name;
  std::function<absl::StatusOr<std::unique_ptr<Processor>>(const StageContext&)> processor;
  std::function<absl::StatusOr<std::unique_ptr<Sink>>(const StageContext&)> sink;
  std::function<absl::StatusOr<std::unique_ptr<Source>>(const StageContext&)> source;
};

// The program: flags, logs, signals, the loop. Exit codes: 0 drained, 1 failed (start it again),
// 2 wrong manifest or flags (starting it again does not help).
int Main(int argc, char** argv, const Service& service);

}  // namespace levada::runtime
