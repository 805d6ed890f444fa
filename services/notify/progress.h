#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "core/runtime/stage.h"

// How far each partition may be committed while some of its records are still waited for.
//
//   Progress progress;
//   progress.Seen(0, 17);
//   progress.Hold(0, 18);     // also seen
//   progress.Seen(0, 19);
//   progress.Committable();   // {0: 18}
//   progress.Done(0, 18);
//   progress.Committable();   // {0: 20}
//
// Threads: one.
namespace levada::notify {

class Progress {
 public:
  void Seen(int32_t partition, int64_t offset) { partitions_[partition].next = offset + 1; }
  void Hold(int32_t partition, int64_t offset) {
    Seen(partition, offset);
    partitions_[partition].held.insert(offset);
  }
  void Done(int32_t partition, int64_t offset) {
    const auto found = partitions_.find(partition);
    if (found != partitions_.end()) found->second.held.erase(offset);
  }
  void Forget(int32_t partition) { partitions_.erase(partition); }

  // Next offset that will come; -1 where none was seen since the partition was assigned.
  int64_t Next(int32_t partition) const {
    const auto found = partitions_.find(partition);
    return found == partitions_.end() ? -1 : found->second.next;
  }
  runtime::Offsets Committable() const {
    runtime::Offsets offsets;
    for (const auto& [partition, state] : partitions_) {
      offsets[partition] = state.held.empty() ? state.next : *state.held.begin();
    }
    return offsets;
  }

 private:
  struct State {
    int64_t next = -1;
    std::set<int64_t> held;
  };
  std::map<int32_t, State> partitions_;
};

}  // namespace levada::notify
