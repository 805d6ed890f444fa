#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/runtime/snapshots.h"
#include "core/runtime/stateful.h"
#include "core/runtime/worker.h"

namespace levada::runtime {

// The snapshots of a worker's state, over all its sessions with Kafka.
//
//   SnapshotsOf snapshots_of(worker, processor.state());
//   auto snapshots = snapshots_of.Get();    // may be null
//
// What is being written is finished before it goes. Threads: one.
class SnapshotsOf {
 public:
  // `state`: may be null.
  SnapshotsOf(const Worker& worker, const Stateful* state);
  ~SnapshotsOf();

  // When Kafka is reached. Null: none are taken.
  absl::StatusOr<Snapshots*> Get();

 private:
  const Worker& worker_;
  std::string changelog_;
  std::optional<SnapshotProbe> probe_;
  bool opened_ = false;
  std::unique_ptr<Snapshots> snapshots_;
};

}  // namespace levada::runtime
