#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/record/record.h"
#include "core/runtime/stateful.h"
#include "services/scoring/state/memory.h"
#include "services/scoring/state/sources.h"
#include "services/scoring/state/table.h"

// What the steps of a stage remember, by partition of the input. All that happens to a partition's
// state follows from the partition's records alone, so that whoever reads them again comes to the
// same.
//
//   StageState state;
//   int index = *state.AddStep("features-1", layout, [](Slab* slab) { return …; });
//   state.Assign(3, 6);
//   StepState& step = *state.Find(3)->steps[index];
//
// The changelog's records, one a key:
//   key   = log_key.h's
//   value = the state's bytes; none: the key is forgotten
// `step` is a hash of the step's name and of what its state's layout depends on: after an edit that
// changes the layout, old state is not read as new. Step 0 has the clocks: bucket = segment, no
// key, value = event time (i64, microseconds); and with a key (u32) in bucket 0 the clock of that
// source (sources.h).
//
// Threads: one at a time. The synchronous detector looks at it between batches, under `mutex`.
namespace levada::scoring {

// One step's state in one partition: a table, or one for each of its buckets (open windows). Steps
// derive from it where they keep more beside, which is made again in Restored().
class StepState {
 public:
  explicit StepState(Slab* slab) : slab_(slab) {}
  virtual ~StepState() = default;

  // Whether bytes of the changelog can be this step's state: they may have been written by anybody.
  virtual bool Valid(std::string_view value) const = 0;
  // What is changed and not yet in the tables is to be there now.
  virtual void BeforeCheckpoint() {}
  // After the last record of the changelog.
  virtual void Restored() {}

  StateTable& table(int64_t bucket = 0);
  // Null: not made yet.
  const StateTable* FindTable(int64_t bucket = 0) const {
    const auto found = tables_.find(bucket);
    return found == tables_.end() ? nullptr : &found->second;
  }
  std::map<int64_t, StateTable>& tables() { return tables_; }
  // For StateTable::Erase; of the bucket.
  std::vector<std::string>* forgotten(int64_t bucket = 0) { return &forgotten_[bucket]; }
  // Drops a bucket with all its keys.
  void Drop(int64_t bucket);

 private:
  friend class StageState;
  Slab* slab_;
  std::map<int64_t, StateTable> tables_;
  std::map<int64_t, std::vector<std::string>> forgotten_;
};

class PartitionWalk;

struct Partition {
  int32_t number = 0;
  uint32_t assignment = 0;                        // another one each time that a partition comes
  bool restored = false;                          // all that was known of it is here
  Slab slab;                                      // outlives the tables
  PartitionWalk* walk = nullptr;                  // that goes over it
  std::vector<std::unique_ptr<StepState>> steps;  // by AddStep's index

  // Of one run of steps between windows.
  struct Clock {
    int64_t newest_us = kNoTime;  // event time that it has come to; it never goes back
    int64_t logged_us = kNoTime;  // in the changelog
    int64_t seen_at_ms = 0;       // Stateful::Tick's time before the last event; 0: not known
  };
  std::vector<Clock> clocks;
  // Where the input's own records do not tell its time: what the first clock goes by.
  Sources sources;

  // Calls `visit(bucket, key, value)` for each of the clocks' records that the changelog has.
  template <typename Visit>
  void ForEachLoggedClock(Visit&& visit) const {
    for (size_t i = 0; i < clocks.size(); ++i) {
      const int64_t& logged_us = clocks[i].logged_us;
      if (logged_us == kNoTime) continue;
      visit(static_cast<int64_t>(i), std::string_view(),
            std::string_view(reinterpret_cast<const char*>(&logged_us), sizeof logged_us));
    }
    sources.ForEach([&](std::string_view key, std::string_view value) { visit(0, key, value); });
  }
};

class StageState {
 public:
  using Factory = std::function<std::unique_ptr<StepState>(Slab*)>;

  explicit StageState(int segments = 1) : segments_(segments) {}

  // `layout`: whatever the meaning of the state's bytes depends on. InvalidArgument: two steps that
  // the changelog could not tell apart.
  absl::StatusOr<int> AddStep(std::string_view name, std::string_view layout, Factory make);
  void set_segments(int segments) { segments_ = segments; }
  // A bound on the state in memory, and what takes the rest.
  void set_memory(size_t limit_bytes, StateMemory::Opener open) {
    memory_.Set(limit_bytes, std::move(open));
  }
  bool empty() const { return steps_.empty(); }

  // `of`: how many partitions the input has.
  void Assign(int32_t partition, int32_t of = 1);
  void Release(int32_t partition);
  // Over what a partition has, by `mutex`; null: it is not restored.
  std::unique_ptr<runtime::StateWalk> Walk(int32_t partition);
  // Released, with the walk as its owner.
  std::unique_ptr<runtime::StateWalk> Detach(int32_t partition);
  absl::Status Restore(const Batch& records);
  // After the last of its records.
  void Restored(int32_t partition);
  // Puts what memory has no room for on disk. Entries move: between two batches. Not OK: what is
  // there cannot be read.
  absl::Status KeepWithin();
  // More has changed than memory has room for.
  bool crowded() const { return memory_.crowded(); }
  absl::Status status() const { return memory_.status(); }
  // Appends what has changed; forgets that it has. See runtime::Stateful.
  using FlushChanges = runtime::Stateful::FlushChanges;
  void Checkpoint(OutputBatch* changes, FlushChanges flush);
  void Checkpoint(OutputBatch* changes) {
    Checkpoint(changes, [](OutputBatch*) {});
  }
  void Reset();

  // Null: not assigned.
  Partition* Find(int32_t partition) {
    if (last_ != nullptr && last_->number == partition) return last_;
    return FindSlowly(partition);
  }
  template <typename Visit>
  void ForEach(Visit&& visit) {
    for (auto& [number, partition] : partitions_) visit(*partition);
  }

  // 0: not known yet.
  int32_t input_partitions() const { return input_partitions_; }
  void set_input_partitions(int32_t partitions) { input_partitions_ = partitions; }
  // Bytes in memory; keys in memory and on disk.
  size_t bytes() const;
  size_t keys() const;
  StateMemory::Counts spilled() const { return memory_.CountsOf(partitions_); }
  // Records of the changelog that no step of this stage understands: of steps that were taken away
  // or changed. They are forgotten at the next checkpoint.
  uint64_t orphans() const { return orphans_; }

  std::mutex mutex;

 private:
  struct StepInfo {
    uint32_t id = 0;
    std::string name;
    Factory make;
  };

  Partition* FindSlowly(int32_t partition);
  std::vector<uint32_t> step_ids() const;
  absl::Status RestoreOne(const Record& record);

  int segments_;
  int32_t input_partitions_ = 0;
  StateMemory memory_;  // outlives the tables
  uint32_t assignments_ = 0;
  std::vector<StepInfo> steps_;
  absl::flat_hash_map<uint32_t, int> by_id_;
  std::map<int32_t, std::unique_ptr<Partition>> partitions_;
  Partition* last_ = nullptr;
  std::map<int32_t, std::set<std::string>> orphan_keys_;  // by partition: keys of the changelog
  uint64_t orphans_ = 0;
};

}  // namespace levada::scoring
