#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/record/record.h"
#include "core/runtime/stage.h"
#include "core/runtime/stateful.h"
#include "services/scoring/event_time.h"
#include "services/scoring/outputs.h"
#include "services/scoring/probe.h"
#include "services/scoring/segment.h"
#include "services/scoring/source_marks.h"
#include "services/scoring/state/state.h"
#include "services/scoring/state/tables.h"

// The steps of a scoring stage over batches of events: scan once, run the steps, write what
// remains.
//
//   scan ─► segment ─► window ─► segment ─► … ─► outputs
//
// Threads: one at a time. The stream and the synchronous detector have a Chain each; that of the
// detector looks at the state of the stream's, between its batches, and never changes it.
namespace levada::scoring {

class Chain : public runtime::Processor, private runtime::Stateful {
 public:
  // `stream`: whose state is looked at; null: it has its own.
  static absl::StatusOr<std::unique_ptr<Chain>> Make(const runtime::StageContext& context,
                                                     Chain* stream = nullptr);

  const std::vector<std::string>& output_topics() const override { return outputs_.topics(); }
  absl::Status Process(const Batch& in, OutputBatch* out) override;
  // The partition of the input that has the state of events with this key (none: without).
  // Unavailable: that is not known before the stage reads. Threads: any.
  absl::StatusOr<int32_t> PartitionOf(std::optional<std::string_view> key);
  // Whether all that is known of this partition is here. Threads: any.
  bool Owns(int32_t partition);
  // Whether the tables are here, if there are any. Threads: any.
  bool HasTables();
  // Null where no step remembers anything, and nobody behind it goes by the time of its input.
  runtime::Stateful* state() override {
    return state_.empty() && tables_.topics().empty() && !marks_ ? nullptr : this;
  }
  std::vector<runtime::StepReached> Coverage() const override;

 private:
  class Sink;

  explicit Chain(Chain* stream)
      : stream_(stream), tables_(stream == nullptr ? own_tables_ : stream->tables_) {}

  absl::Status MakeSteps(const runtime::StageContext& context);
  absl::Status BoundMemory(const runtime::StageContext& context);
  void MakeTime(const runtime::StageContext& context);
  absl::Status MakeOutputs(const runtime::StageContext& context);
  StageState& shared_state() { return stream_ == nullptr ? state_ : stream_->state_; }

  absl::Status ScanAll(const Batch& in, OutputBatch* out);
  void ScanOne(const Record& record, Row row, OutputBatch* out);
  // Where a re-keyed record says how far time has come, it has.
  bool TakeSource(const Batch& in, const Record& record, Partition* partition);
  void BeginBatch(const Batch& in, OutputBatch* out);
  // From the first of these on.
  absl::Status RunSegments(size_t first);
  // The same before all rows are there, and passes on what comes of it.
  void Drain(size_t first);

  // runtime::Stateful
  const std::vector<std::string>& tables() const override { return tables_.topics(); }
  void UpdateTable(size_t table, const Batch& records) override;
  void TablesLoaded() override;
  void SetPartitions(int32_t partitions) override;
  const std::string& changelog() const override { return changelog_; }
  void Assign(int32_t partition, int32_t of) override;
  absl::Status Restore(const Batch& records) override;
  void Restored(int32_t partition) override;
  void Release(int32_t partition) override;
  std::unique_ptr<runtime::StateWalk> Walk(int32_t partition) override;
  std::unique_ptr<runtime::StateWalk> Detach(int32_t partition) override;
  void Checkpoint(OutputBatch* changes, FlushChanges flush) override;
  bool WantsCheckpoint() const override { return state_.crowded(); }
  void SetAtEnd(std::vector<int32_t> partitions) override;
  absl::Status Tick(int64_t now_ms, OutputBatch* out) override;
  void Reset() override;

  Chain* const stream_;
  StageState state_;
  Tables own_tables_;
  Tables& tables_;
  bool tables_loaded_ = false;  // of the stream's
  std::string changelog_;
  std::optional<EventTime> event_time_;  // where it matters
  std::optional<SourceMarks> marks_;     // where results are re-keyed
  bool sourced_ = false;                 // where the input is
  std::vector<Header> headers_;
  std::string error_;
  std::optional<StateProbe> probe_;
  uint64_t late_ = 0;

  std::vector<std::unique_ptr<Segment>> segments_;
  Outputs outputs_;
  size_t results_ = 0;             // outputs of the last segment; those for late events follow
  std::vector<int> late_outputs_;  // by segment: output, or -1
  // Of the batch under way.
  const Batch* in_ = nullptr;
  OutputBatch* out_ = nullptr;
  absl::Status drained_;  // what came of it
};

}  // namespace levada::scoring
