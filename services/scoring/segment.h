#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/arena.h"
#include "core/expr/activation.h"
#include "core/expr/env.h"
#include "core/json/scan.h"
#include "core/record/record.h"
#include "services/scoring/step.h"
#include "services/scoring/writer.h"

// A run of steps over events that have the same fields: the steps of a stage up to its first
// window, between two windows, or behind the last.
//
//   rows ─► steps ─► [barrier: model over the whole batch] ─► steps ─► what ends here
//
// Per event nothing is allocated: values live in the scan's slots, the activation and one arena a
// batch. Threads: one at a time.
namespace levada::scoring {

// An event on its way.
struct Row {
  int32_t source = -1;  // the record that it came from; of a window's result: that closed it
  bool made = false;    // by a step: it is no record of the batch
  bool has_key = false;
  Partition* partition = nullptr;
  int64_t time_us = 0;
  int64_t newest_us = 0;  // what the clock of its partition had come to
  // Where LookAhead has found out that its key will be looked for, and by which hash; null:
  // nowhere.
  const StateTable* table = nullptr;
  uint64_t hash = 0;
  std::string_view key;
  std::string_view document;
  json::ScanInfo info;
  std::span<const json::Value> raw;
  std::span<const expr::Value> slots;  // as they were at the last barrier
  int64_t nanos = 0;
};

// What becomes of rows at the end of a segment, or where they leave it.
class RowSink {
 public:
  virtual ~RowSink() = default;
  virtual void Kept(const Row& row) = 0;
  virtual void Late(const Row& row) = 0;
  virtual void Filtered() = 0;
  virtual void Failed(const Row& row, std::string error) = 0;
};

class Segment {
 public:
  // `number`: its place among the stage's segments.
  Segment(expr::Env env, int number) : env_(std::move(env)), number_(number) {}

  // ---- While the stage is made ----
  expr::Env& env() { return env_; }
  CopiedFields& copied() { return copied_; }
  int number() const { return number_; }
  // `place`: what errors call it.
  void AddStep(std::unique_ptr<Step> step, std::string place);
  // Takes the rows that there are, where many are made of one event, and ends with Begin.
  void DrainBy(std::function<void()> drain) { drain_ = std::move(drain); }
  // Field that takes the microseconds that the steps took.
  void TimeInto(int slot) { took_slot_ = slot; }
  // After the last expression was compiled against its Env.
  void Finish();

  // ---- At work ----
  // `look`: state is not changed.
  void Begin(bool look) {
    rows_.clear();
    arena_.Reset();
    look_ = look;
  }
  // What rows point to; it is gone at the next Begin.
  base::Arena* arena() { return &arena_; }
  // An event, and what it moves the clock of its partition to, if that is not there yet.
  void Add(Row row, int64_t clock_us);
  // An event that a step before made, with the slots of this segment's Env to be filled in.
  std::span<expr::Value> Make(Row row);
  // After one or some were made and filled in.
  void DrainIfMany();
  bool empty() const { return rows_.empty(); }
  // Time passes without an event.
  void MoveClock(Partition* partition, int64_t to_us) const;
  absl::Status Run(const Batch& in, RowSink* sink);
  void Tick(Partition& partition, int64_t now_ms);
  void EndBatch();

  // For the sink: the row's values as they are now.
  expr::Activation& activation() { return *activation_; }
  // Appends the row that the activation is at. False if it cannot be written.
  bool Write(const Row& row, std::string* out);
  // A row leaves with the bytes that it came with.
  bool identity() const { return writer_->identity(); }

  // Since the segment was made.
  void Coverage(std::vector<runtime::StepReached>* steps) const;

 private:
  void RunFrom(const Row& row, size_t step, size_t stop);
  void Fan(const Event& event, const Row& row, size_t step, size_t stop);
  void Ended(const Row& row);
  void LookAhead(size_t row);
  void Resume(const Row& row);
  void Keep(const Row& row, int64_t nanos);

  expr::Env env_;
  const int number_;
  base::Arena arena_;
  CopiedFields copied_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<std::string> places_;
  std::vector<uint64_t> reached_;
  std::optional<EventWriter> writer_;
  std::optional<expr::Activation> activation_;
  std::vector<json::Value> absent_;
  int took_slot_ = -1;
  std::function<void()> drain_;
  const Step* keyed_ = nullptr;  // the first that tells which key it will look for

  bool look_ = false;
  int64_t ticked_at_ms_ = 0;
  std::vector<Row> rows_;
  std::vector<Row> kept_;
  // Of the run under way.
  const Batch* in_ = nullptr;
  RowSink* sink_ = nullptr;
  bool last_ = false;        // no barrier behind these steps
  int64_t began_nanos_ = 0;  // of the row, where it is timed
};

}  // namespace levada::scoring
