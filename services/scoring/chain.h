#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/arena.h"
#include "core/expr/activation.h"
#include "core/expr/env.h"
#include "core/record/record.h"
#include "core/runtime/stage.h"
#include "services/scoring/step.h"
#include "services/scoring/writer.h"

// The steps of a scoring stage over batches of events: scan once, run the steps, write what
// remains.
//
//   scan ─► steps ─► [barrier: model over the whole batch] ─► steps ─► write, route
//
// Per event nothing is allocated: values live in the scan's slots, the activation and one arena a
// batch.
//
// Threads: one at a time. The stream and the synchronous detector have a Chain each.
namespace levada::scoring {

class Chain : public runtime::Processor {
 public:
  static absl::StatusOr<std::unique_ptr<Chain>> Make(const runtime::StageContext& context);

  const std::vector<std::string>& output_topics() const override { return topic_names_; }
  absl::Status Process(const Batch& in, OutputBatch* out) override;

 private:
  // Where results go, and what makes their key. Their Kafka timestamp is the input's: the time of
  // arrival, not the event's own (core/runtime/latency.h).
  struct Output {
    std::optional<expr::Program> when;
    bool compacted = false;
    // The record's own key is right unless the topic names another field for it.
    std::optional<expr::Program> key;
    int key_field = -1;  // the scan's slot, where the key is a field as it stands in the event
  };
  // An event between two runs of steps.
  struct Row {
    int32_t source = 0;
    json::ScanInfo info;
    std::span<const json::Value> raw;
    std::span<const expr::Value> slots;  // as they were at the barrier
    int64_t nanos = 0;
  };

  explicit Chain(expr::Env env) : env_(std::move(env)) {}

  absl::Status MakeSteps(const runtime::StageContext& context);
  absl::Status MakeOutputs(const runtime::StageContext& context);
  absl::StatusOr<Output> MakeOutput(const runtime::StageContext& context, const v1::Output& config);

  void ScanAll(const Batch& in, OutputBatch* out);
  absl::Status RunSteps(const Batch& in, OutputBatch* out);
  // Steps [begin, end) for one row; false when it ends here.
  bool RunRow(const Row& row, size_t row_index, size_t begin, size_t end, OutputBatch* out);
  void Resume(const Batch& in, const Row& row);
  void Keep(Row* row);
  void Emit(const Batch& in, const Row& row, OutputBatch* out);
  bool EmitTo(const Row& row, int topic, OutputRecord record, OutputBatch* out);
  void SetKey(const Output& output, const Row& row, OutputRecord* record, OutputBatch* out);
  void EmitTombstone(const Record& record, int32_t source, OutputBatch* out);
  void Fail(const Row& row, std::string_view where, std::string_view error, OutputBatch* out);

  expr::Env env_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<std::string> topic_names_;
  std::vector<Output> outputs_;
  CopiedFields copied_;
  std::optional<EventWriter> writer_;
  int took_slot_ = -1;

  base::Arena arena_;
  std::optional<expr::Activation> activation_;
  std::vector<Row> rows_;
  std::string text_;  // keys on their way out
};

}  // namespace levada::scoring
