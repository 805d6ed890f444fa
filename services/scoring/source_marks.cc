#include "services/scoring/source_marks.h"

#include <algorithm>

namespace levada::scoring {
namespace {

constexpr int64_t kEveryMs = 1'000;
constexpr int64_t kSeldomMs = 30'000;
// What counts of the time between two ticks: in a longer one this worker was at something else.
constexpr int64_t kLongestTickMs = 1'000;

}  // namespace

void SourceMarks::Tick(int64_t now_ms, StageState* state, size_t clock, OutputBatch* out) {
  const int64_t passed_ms = std::clamp<int64_t>(now_ms - ticked_at_ms_, 0, kLongestTickMs);
  const int32_t of = state->input_partitions();
  // About a thousand a second in all, whatever the topics have.
  const int64_t every_ms =
      std::clamp<int64_t>(static_cast<int64_t>(told_.size()) * of, kEveryMs, kSeldomMs);
  state->ForEach([&](Partition& partition) {
    Told& told = told_[partition.number];
    told.quiet_ms = Quiet(partition) ? told.quiet_ms + passed_ms : 0;
    const bool idle =
        partition.sources.empty() ? told.quiet_ms >= kIdleAfterMs : partition.sources.idle();
    const int64_t time_us = partition.clocks[clock].newest_us;
    if (time_us == told.time_us && idle == told.idle) return;
    if (now_ms - told.at_ms < every_ms) return;
    told.time_us = time_us;
    told.idle = idle;
    told.at_ms = now_ms;
    Tell({partition.number, of, time_us, idle}, now_ms, out);
  });
  ticked_at_ms_ = now_ms;
}

// Events since the last tick have its time.
bool SourceMarks::Quiet(const Partition& partition) const {
  return partition.clocks.front().seen_at_ms != ticked_at_ms_ &&
         std::find(at_end_.begin(), at_end_.end(), partition.number) != at_end_.end();
}

void SourceMarks::Tell(const SourceTime& time, int64_t now_ms, OutputBatch* out) const {
  OutputRecord mark;
  mark.begin = OutputRecord::kBorrowed;
  mark.has_value = false;
  mark.timestamp_ms = now_ms;
  mark.partition = OutputRecord::kEveryPartition;
  mark.origin = out->KeepKey(time.Text());
  for (const int16_t topic : topics_) {
    mark.topic = topic;
    out->records().push_back(mark);
  }
}

}  // namespace levada::scoring
