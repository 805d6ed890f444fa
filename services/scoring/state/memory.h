#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/scoring/state/spill_store.h"

// A bound on the state in memory. What is beyond it goes to a store on disk: of the entries that
// the changelog has those that were not used for longest, about (a hand goes round over all tables;
// an entry that was used since it came by last is passed over once).
//
//   memory.Set(64 << 20, [] { return OpenSpillStore("/var/lib/levada/state/spill"); });
//   memory.KeepWithin(&partitions, step_ids);   // between two batches
//
// Where the store takes nothing, state stays in memory, which is logged and counted, and tried
// again. Threads: one at a time.
namespace levada::scoring {

struct Partition;

class StateMemory {
 public:
  using Opener = std::function<absl::StatusOr<std::shared_ptr<SpillStore>>()>;
  using Partitions = std::map<int32_t, std::unique_ptr<Partition>>;

  // 0: no bound.
  void Set(size_t limit_bytes, Opener open);
  // Not OK: the store cannot be read.
  absl::Status KeepWithin(Partitions* partitions,
                          const std::function<std::vector<uint32_t>()>& step_ids);
  // What is beyond the bound must be in the changelog first.
  bool crowded() const { return crowded_; }
  // What had changed no longer counts as that; or there is more that has not.
  void Cleaned() { crowded_ = only_changed_ = false; }
  // What is there of a partition that has gone.
  void Forget(const Partition& partition);
  // All of it goes.
  void Reset();

  const std::shared_ptr<SpillStore>& store() const { return store_; }
  absl::Status status() const { return store_ == nullptr ? absl::OkStatus() : store_->status(); }

  struct Counts {
    uint64_t keys = 0;  // on disk
    uint64_t bytes = 0;
    // In all.
    uint64_t spilled = 0;
    uint64_t read_back = 0;
    uint64_t failures = 0;
  };
  Counts CountsOf(const Partitions& partitions) const;

  // What a partition's keys begin with in the store; then follows the changelog's key without its
  // version.
  static std::string PrefixOf(const Partition& partition);

 private:
  // Where the hand is: the next table is the first that is not before.
  struct Hand {
    int32_t partition = -1;
    size_t step = 0;
    int64_t bucket = 0;
  };
  struct Turn;

  bool Open();
  bool SpillSome(Partitions* partitions, const std::vector<uint32_t>& ids, size_t goal);
  bool NextTable(Partitions* partitions, Turn* turn);
  void Look(Turn* turn, size_t wanted);
  bool Put(Turn* turn, const std::vector<uint32_t>& ids);
  void Failed(const absl::Status& status);

  size_t limit_ = 0;
  Opener open_;
  std::shared_ptr<SpillStore> store_;
  Hand hand_;
  bool only_changed_ = false;  // all others are on disk
  bool crowded_ = false;
  uint64_t spilled_ = 0;
  uint64_t read_back_ = 0;  // of stores that are gone
  uint64_t failures_ = 0;
  bool failing_ = false;  // the disk took nothing the last time
  std::chrono::steady_clock::time_point retry_at_;
  std::chrono::steady_clock::time_point tell_again_at_;
};

}  // namespace levada::scoring
