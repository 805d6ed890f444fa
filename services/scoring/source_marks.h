#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/record/record.h"
#include "services/scoring/state/state.h"

// Says to all that read a re-keyed topic how far the time of each partition has come that this
// worker reads (state/sources.h). Events tell it, but only to those that they go to: a partition
// whose events do not fall to a reader would hold his time back for ever.
//
//   marks.SetAtEnd({0, 3});         // partitions that were read to their end
//   marks.Tick(now, &state, clock, &out);
//
// A mark is a record without a value, to every partition of the topic; there is one a second where
// time has moved, less often with very many partitions. A partition that is at its end and of which
// nothing has come for half a minute is idle. That is counted while this worker reads: one that is
// paused, restoring or frozen does not know.
//
// Threads: one.
namespace levada::scoring {

class SourceMarks {
 public:
  static constexpr int64_t kIdleAfterMs = 30'000;

  // `topics`: the outputs that are told.
  explicit SourceMarks(std::vector<int16_t> topics) : topics_(std::move(topics)) {}

  void SetAtEnd(std::vector<int32_t> partitions) { at_end_ = std::move(partitions); }
  // `clock`: the number of that which the results go by.
  void Tick(int64_t now_ms, StageState* state, size_t clock, OutputBatch* out);
  void Release(int32_t partition) { told_.erase(partition); }
  void Reset() { told_.clear(); }

 private:
  struct Told {
    int64_t time_us = kNoTime;
    bool idle = false;
    int64_t at_ms = 0;
    int64_t quiet_ms = 0;
  };

  bool Quiet(const Partition& partition) const;
  void Tell(const SourceTime& time, int64_t now_ms, OutputBatch* out) const;

  const std::vector<int16_t> topics_;
  std::vector<int32_t> at_end_;
  int64_t ticked_at_ms_ = 0;
  std::map<int32_t, Told> told_;
};

}  // namespace levada::scoring
