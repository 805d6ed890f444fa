#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/expr/program.h"
#include "core/record/record.h"
#include "core/runtime/stage.h"
#include "services/scoring/keys.h"
#include "services/scoring/segment.h"

// Where a stage's results go, and what makes their keys.
//
// Their Kafka timestamp is the input's: the time of arrival, not the event's own
// (core/runtime/latency.h). Threads: one at a time.
namespace levada::scoring {

class Outputs {
 public:
  // An output for results that leave `segment`. Its number is that of its topic.
  absl::Status Add(const runtime::StageContext& context, const v1::Output& config,
                   Segment* segment);
  const std::vector<std::string>& topics() const { return topics_; }
  // Those whose records say of which partition of the input they come.
  std::vector<int16_t> TellingSource() const;

  // To those of the first `outputs` whose condition holds; counts the row as filtered where none
  // does. Where one fails there is a dead letter, and nothing goes anywhere.
  void Emit(const Batch& in, const Row& row, Segment* segment, size_t outputs, OutputBatch* out);
  // To this one only.
  void EmitTo(const Batch& in, const Row& row, Segment* segment, size_t output, OutputBatch* out);
  // A deletion goes on to the tables whose key is the record's; a topic of events has no place for
  // it, and a table whose key is computed from the event cannot be told what to delete.
  void EmitTombstone(const Record& record, int32_t source, OutputBatch* out);
  void Fail(const Row& row, std::string error, Segment* segment, OutputBatch* out);
  // How many partitions the input has.
  void set_sources(int32_t sources) { sources_ = sources; }
  // For rows that came of no record: when they were made.
  void set_now_ms(int64_t now_ms) { now_ms_ = now_ms; }

 private:
  struct Output {
    std::optional<expr::Program> when;
    bool compacted = false;
    // The row's own key is right unless the manifest or the topic says otherwise.
    std::optional<KeyMaker> key_by;
    std::optional<expr::Program> key;
    bool tells_source = false;  // it is re-keyed (state/sources.h)
    int key_field = -1;  // the scan's slot, where the key is a field as it stands in the event
  };

  std::optional<OutputRecord> Write(const Batch& in, const Row& row, Segment* segment,
                                    OutputBatch* out);
  bool Route(size_t topic, const Row& row, Segment* segment, OutputRecord record, OutputBatch* out);
  bool SetKey(Output* output, const Row& row, Segment* segment, OutputRecord* record,
              OutputBatch* out);

  std::vector<std::string> topics_;
  std::vector<Output> outputs_;
  std::string text_;  // keys on their way out
  int64_t now_ms_ = 0;
  int32_t sources_ = 0;
};

}  // namespace levada::scoring
