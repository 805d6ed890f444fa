#pragma once

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/kafka/consumer.h"
#include "core/kafka/producer.h"
#include "core/runtime/dead_letters.h"
#include "core/runtime/worker.h"

namespace levada::runtime {

// Where a Processor's results go: output topics, dead letters and input offsets, in transactions
// (exactly once) or plainly (at least once). A commit waits in a thread of its own. Meanwhile
// nothing can be produced exactly once, since a producer has one transaction at a time.
//
//   output.Produce(batch, result, arrival);   // opens a transaction if there is none
//   output.StartCommit(*consumer);            // committing() until TakeCommit has its answer
//   output.TakeCommit(/*wait=*/false);
//
// Status codes as kafka::Producer's. Threads: one.
class StageOutput {
 public:
  // `max_bytes`: the largest record of each topic, then of the dead letters' topic.
  StageOutput(Worker& worker, const std::vector<std::string>& topics,
              const std::vector<int64_t>& max_bytes, bool exactly_once)
      : worker_(worker), topics_(topics), max_bytes_(max_bytes), exactly_once_(exactly_once) {}
  ~StageOutput();

  absl::Status Open();

  // A commit is under way: no other can be started.
  bool committing() const { return commit_.valid(); }
  // And nothing may be produced.
  bool busy() const { return exactly_once_ && committing(); }
  // Something was produced since the last commit was started.
  bool open() const { return open_; }
  // Since when.
  std::chrono::steady_clock::time_point opened_at() const { return opened_at_; }

  // `arrival_ms`: when the batch came into Levada, -1 if unknown.
  absl::Status Produce(const Batch& batch, const OutputBatch& result, int64_t arrival_ms);
  // Sees that there is something to commit, if only the positions again.
  absl::Status Reopen() { return open_ ? absl::OkStatus() : Begin(); }
  // Changed state, into the last of the topics; no result of the stage. Something was produced
  // before, or Reopen.
  absl::Status ProduceChanges(const OutputBatch& changes);
  // A partition of the input and where it is read from, for commits of what time alone brought
  // about: Kafka refuses a worker that has lost its partitions only by the offsets it commits.
  void Assigned(int32_t partition, int64_t offset) { positions_[partition] = offset; }
  void Revoked(int32_t partition) { positions_.erase(partition); }
  // Begins to commit all that was produced. `consumer` outlives the commit.
  absl::Status StartCommit(kafka::Consumer& consumer);
  // The answer of the commit under way, if it is there or `wait`; OK where there is none.
  absl::Status TakeCommit(bool wait);
  // Throws away what is not committed.
  void Abort();

 private:
  // What a transaction holds, to be counted once it is committed.
  struct Tally {
    std::map<int32_t, int64_t> offsets;
    uint64_t records = 0;
    uint64_t bytes = 0;
    uint64_t dead_letters = 0;
    std::vector<std::pair<int64_t, uint64_t>> arrivals;  // ms since 1970, records
  };

  absl::Status InitTransactions();
  absl::Status Begin();
  absl::Status ProduceOne(const Batch& batch, const OutputBatch& result,
                          const OutputRecord& record);
  // What is no result for itself.
  absl::Status SendToAll(kafka::Outgoing out);
  absl::Status Bury(const Batch& batch, const DeadLetter& dead);
  absl::Status CommitTransaction(const std::vector<kafka::PartitionOffset>& offsets,
                                 rd_kafka_consumer_group_metadata_t* group);
  // Whether the answer of the commit under way is there. One that hangs ends the process.
  bool CommitIsThere(bool wait) const;
  void Committed();

  Worker& worker_;
  const std::vector<std::string>& topics_;
  const std::vector<int64_t>& max_bytes_;
  const bool exactly_once_;
  std::unique_ptr<kafka::Producer> producer_;
  std::optional<DeadLetterWriter> dead_letters_;
  std::vector<Header> headers_;
  std::map<int, int> partitions_;  // of topics of which that was asked

  bool open_ = false;
  std::chrono::steady_clock::time_point opened_at_;
  Tally tally_;                           // of the open transaction
  std::map<int32_t, int64_t> positions_;  // of the input: the next record that is not produced yet
  Tally committing_;                      // of the one that is being committed
  std::future<absl::Status> commit_;
  std::chrono::steady_clock::time_point commit_started_;
};

}  // namespace levada::runtime
