#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/record/record.h"

// What a Processor implements that remembers something between batches. The runtime keeps it
// right over failures: what is remembered of a partition is in the changelog topic, written in the
// same transaction as the results and the position, and read again by whoever gets the partition.
//
//   Assign(3, 6) → Restore(records of partition 3 of the changelog)… → Process… → Checkpoint →
//   Release(3)
//
// Between two sessions (whatever failed in the one before) there is Reset, and all of it again.
//
// Threads: all calls come from the thread that calls Process.
namespace levada::runtime {

// Goes over all that is kept of a partition, for a snapshot of it.
class StateWalk {
 public:
  virtual ~StateWalk() = default;
  // Visits keys and values as the changelog has them, about `bytes` of them. What changes between
  // two calls is visited as it was or as it is. False: these were the last. Not OK: some of it
  // cannot be read.
  using Visit = std::function<void(std::string_view key, std::string_view value)>;
  virtual absl::StatusOr<bool> Next(size_t bytes, const Visit& visit) = 0;
};

class Stateful {
 public:
  virtual ~Stateful() = default;

  // ---- Tables: topics that each worker keeps whole ----
  virtual const std::vector<std::string>& tables() const = 0;
  // Records of a table, in the order of each partition. All that the tables held when the worker
  // began is here before the first Process.
  virtual void UpdateTable(size_t table, const Batch& records) = 0;

  // After the last of those records, and at once where there are no tables.
  virtual void TablesLoaded() {}

  // ---- State by partition of the input ----
  // The topic of it; empty: nothing is kept by partition. Partitions are assigned all the same.
  virtual const std::string& changelog() const = 0;
  // How many partitions the input has; before any of them is assigned.
  virtual void SetPartitions(int32_t partitions) { (void)partitions; }
  // `of`: how many partitions the input has.
  virtual void Assign(int32_t partition, int32_t of) = 0;
  // Records of the changelog, of partitions that were assigned. Not OK: the state cannot be used.
  virtual absl::Status Restore(const Batch& records) = 0;
  // After the last record of a partition that was assigned.
  virtual void Restored(int32_t partition) = 0;
  virtual void Release(int32_t partition) = 0;

  // Over a partition that is assigned and restored; its Next is only called between Checkpoint and
  // the next Process or Tick, and not after Release. Null: no snapshots of this state.
  virtual std::unique_ptr<StateWalk> Walk(int32_t partition) {
    (void)partition;
    return nullptr;
  }
  // Release of a partition of which nothing has changed since the last Checkpoint; the walk goes
  // over what it had, in another thread. Null: as before.
  virtual std::unique_ptr<StateWalk> Detach(int32_t partition) {
    Release(partition);
    return nullptr;
  }
  // Appends what has changed since the last call, as records with a partition. Where that is much,
  // `flush` is called in between, which takes what is there and clears it. Nothing may change
  // between this and the next Process or Tick.
  using FlushChanges = absl::FunctionRef<void(OutputBatch*)>;
  virtual void Checkpoint(OutputBatch* changes, FlushChanges flush) = 0;
  // All of it.
  void Checkpoint(OutputBatch* changes) {
    Checkpoint(changes, [](OutputBatch*) {});
  }
  // So much has changed that Checkpoint should come soon.
  virtual bool WantsCheckpoint() const { return false; }

  // Partitions of the input all of whose records have come to Process; before each Tick.
  virtual void SetAtEnd(std::vector<int32_t> partitions) { (void)partitions; }
  // Time passes, with or without events; called now and then, but not while the stage is paused.
  // Appends what is due by the clock.
  // kEnd: no more events will come (a file has been read), and everything is due.
  static constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  virtual absl::Status Tick(int64_t now_ms, OutputBatch* out) = 0;

  // Forgets all partitions and tables.
  virtual void Reset() = 0;
};

}  // namespace levada::runtime
