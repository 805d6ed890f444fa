#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "core/record/record.h"
#include "core/runtime/snapshots.h"
#include "core/runtime/state_reader.h"
#include "core/runtime/stateful.h"

// Takes a session's snapshots: of one partition after the other, a slice with each checkpoint, and
// of all of them when the session ends in order.
//
//   taker.BeforeCheckpoint(&changes);    // state.Checkpoint(&changes, …)
//   taker.Changed(changes);              // produce them; and again
//   taker.AfterCheckpoint();             // begin to commit
//   taker.Committed();                   // no commit is under way, and none has failed
//
// What a snapshot may hold. Right after a checkpoint all that is in memory is in a transaction that
// is committed or about to be; if that fails, so does the session, and with it the snapshot. So a
// snapshot's entries may be of several checkpoints, as long as all of them are committed before it
// gets its name: what is newer than its offset is in the changelog behind that offset too, and
// stays what it is when it is read again.
//
// Which offset. The end of what is decided in the partition, asked for before the snapshot is
// begun: whatever stands before it is of this worker, and in its memory, or of the ones before it.
// The commits that follow say that no other worker has begun to write there since, since Kafka
// refuses those of a worker that has lost its place in the group.
//
// Threads: one.
namespace levada::runtime {

class SnapshotTaker {
 public:
  // `every`: between two snapshots of a partition; 0: only at the end.
  SnapshotTaker(Snapshots& snapshots, Stateful& state, StateReader& reader,
                std::chrono::milliseconds every)
      : snapshots_(snapshots), state_(state), reader_(reader), every_(every) {}

  // Adds records of life to partitions without one.
  void BeforeCheckpoint(OutputBatch* changes);
  void Changed(const OutputBatch& changes);
  void AfterCheckpoint();
  void Committed();

  // The session ends in order, or a partition leaves it: before the last commit, which must be of
  // all that was processed, and instead of Stateful::Release after it.
  void BeforeLast(int32_t partition);
  void Release(int32_t partition);
  // A partition leaves without that.
  void Forget(int32_t partition);
  // Something has changed since the snapshots that there are.
  bool wants_last();

 private:
  using Clock = std::chrono::steady_clock;

  // Under way.
  struct Walking {
    int32_t partition = 0;
    std::unique_ptr<StateWalk> walk;
    std::shared_ptr<Snapshots::Draft> draft;
    bool walked = false;  // as soon as all is committed it is done
  };

  std::optional<SnapshotHeader> HeaderFor(int32_t partition, std::chrono::milliseconds timeout);
  void TakeRestored();
  void Begin();
  void WalkOn();

  Snapshots& snapshots_;
  Stateful& state_;
  StateReader& reader_;
  const std::chrono::milliseconds every_;

  std::set<int32_t> changed_;                // partitions, since their snapshots
  int32_t last_partition_ = -1;              // of a changed record
  std::map<int32_t, Clock::time_point> at_;  // when each is due
  std::optional<Walking> walking_;
  Clock::time_point walked_at_;
  std::map<int32_t, SnapshotHeader> last_;  // of partitions that are about to leave
};

}  // namespace levada::runtime
