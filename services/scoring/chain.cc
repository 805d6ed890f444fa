#include "services/scoring/chain.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/units.h"
#include "core/expr/hash.h"
#include "core/json/scan.h"
#include "core/pipeline/expand.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/schema.h"
#include "core/record/headers.h"

namespace levada::scoring {

// Where the rows of a segment go.
class Chain::Sink : public RowSink {
 public:
  Sink(Chain* chain, Segment* segment, const Batch& in, OutputBatch* out)
      : chain_(chain), segment_(segment), in_(in), out_(out) {}

  void Kept(const Row& row) override {
    chain_->outputs_.Emit(in_, row, segment_, chain_->results_, out_);
  }
  void Late(const Row& row) override {
    ++chain_->late_;
    const int output = chain_->late_outputs_[segment_->number()];
    if (output < 0) {
      ++out_->filtered;
    } else {
      chain_->outputs_.EmitTo(in_, row, segment_, output, out_);
    }
  }
  void Filtered() override { ++out_->filtered; }
  void Failed(const Row& row, std::string error) override {
    chain_->outputs_.Fail(row, std::move(error), segment_, out_);
  }

 private:
  Chain* chain_;
  Segment* segment_;
  const Batch& in_;
  OutputBatch* out_;
};

absl::StatusOr<std::unique_ptr<Chain>> Chain::Make(const runtime::StageContext& context,
                                                   Chain* stream) {
  std::unique_ptr<Chain> chain(new Chain(stream));
  if (absl::Status status = chain->MakeSteps(context); !status.ok()) return status;
  if (absl::Status status = chain->MakeOutputs(context); !status.ok()) return status;
  chain->MakeTime(context);
  for (const auto& segment : chain->segments_) segment->Finish();
  return chain;
}

absl::Status Chain::MakeSteps(const runtime::StageContext& context) {
  const v1::Scoring& scoring = context.stage.scoring();
  const v1::Topic* from = context.FindTopic(scoring.from());
  segments_.push_back(std::make_unique<Segment>(pipeline::EnvOf(from), 0));
  std::map<std::string, int> kinds;
  for (int i = 0; i < scoring.steps_size(); ++i) {
    const v1::Step& config = scoring.steps(i);
    Segment* const segment = segments_.back().get();
    std::unique_ptr<Segment> next;
    if (config.has_window()) {
      expr::Env results;
      results.set_closed(true);
      next = std::make_unique<Segment>(std::move(results), segment->number() + 1);
      next->DrainBy([this, first = segments_.size()] { Drain(first); });
    }
    const std::string kind(pipeline::StepKind(config));
    std::string name = base::StrCat(kind, "-", ++kinds[kind]);
    if (!config.name().empty()) name = config.name();
    auto step = MakeStep({context, config, segment->env(), segment->copied(), name, state_, tables_,
                          segment->number(), next.get()});
    const std::string place = base::StrCat("step ", i + 1);
    if (!step.ok()) {
      return absl::InvalidArgumentError(base::StrCat(place, ": ", step.status().message()));
    }
    segment->AddStep(*std::move(step), base::StrCat(place, " (", kind, ")"));
    if (next != nullptr) segments_.push_back(std::move(next));
  }
  if (!scoring.took_as().empty()) {
    Segment& last = *segments_.back();
    last.TimeInto(last.env().DeclareSlot(scoring.took_as(), pipeline::TookType()));
  }
  state_.set_segments(static_cast<int>(segments_.size()));
  if (state_.empty()) return absl::OkStatus();
  changelog_ = pipeline::ChangelogTopic(context.pipeline, context.stage.name());
  if (stream_ != nullptr) return absl::OkStatus();
  probe_.emplace(context.metrics, context.registry, context.Labels());
  return BoundMemory(context);
}

absl::Status Chain::BoundMemory(const runtime::StageContext& context) {
  const std::string& memory = context.stage.scoring().state().memory();
  if (memory.empty()) return absl::OkStatus();
  const auto bytes = base::ParseBytes(memory);
  if (!bytes.ok()) return bytes.status();
  std::string folder = context.state_dir + "/spill";
  if (context.state_dir.empty()) {
    folder = std::filesystem::temp_directory_path() / "levada-spill";
  }
  state_.set_memory(*bytes, [folder] { return OpenSpillStore(folder); });
  return absl::OkStatus();
}

void Chain::MakeTime(const runtime::StageContext& context) {
  const std::vector<int16_t> telling = outputs_.TellingSource();
  if (state_.empty() && telling.empty()) return;
  const std::string& from = context.stage.scoring().from();
  event_time_.emplace(context.FindTopic(from), &segments_.front()->env());
  sourced_ = pipeline::IsRepartitionTopic(context.pipeline, from);
  if (!telling.empty()) marks_.emplace(telling);
}

absl::Status Chain::MakeOutputs(const runtime::StageContext& context) {
  const v1::Scoring& scoring = context.stage.scoring();
  std::vector<v1::Output> configs(scoring.outputs().begin(), scoring.outputs().end());
  if (configs.empty()) configs.emplace_back().set_to(scoring.to());
  for (const v1::Output& config : configs) {
    absl::Status status = outputs_.Add(context, config, segments_.back().get());
    if (!status.ok()) return status;
  }
  results_ = configs.size();
  late_outputs_.assign(segments_.size(), -1);
  size_t segment = 0;
  for (const v1::Step& step : scoring.steps()) {
    if (!step.has_window()) continue;
    Segment* const windowed = segments_[segment++].get();
    if (step.window().late_to().empty()) continue;
    v1::Output late;
    late.set_to(step.window().late_to());
    late_outputs_[windowed->number()] = static_cast<int>(outputs_.topics().size());
    if (absl::Status status = outputs_.Add(context, late, windowed); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Chain::Process(const Batch& in, OutputBatch* out) {
  std::unique_lock<std::mutex> lock;
  if (event_time_ || !tables_.topics().empty()) lock = std::unique_lock(shared_state().mutex);
  BeginBatch(in, out);
  absl::Status status = ScanAll(in, out);
  if (status.ok()) status = RunSegments(0);
  if (!status.ok() || !event_time_) return status;
  // The stream's state is the stream's to move.
  return stream_ == nullptr ? state_.KeepWithin() : stream_->state_.status();
}

void Chain::BeginBatch(const Batch& in, OutputBatch* out) {
  in_ = &in;
  out_ = out;
  drained_ = absl::OkStatus();
  outputs_.set_sources(state_.input_partitions());
  for (const auto& segment : segments_) segment->Begin(stream_ != nullptr);
}

absl::Status Chain::RunSegments(size_t first) {
  absl::Status status = drained_;
  for (size_t i = first; i < segments_.size() && status.ok(); ++i) {
    Sink sink(this, segments_[i].get(), *in_, out_);
    if (!segments_[i]->empty()) status = segments_[i]->Run(*in_, &sink);
    status.Update(drained_);
  }
  for (const auto& segment : segments_) segment->EndBatch();
  return status;
}

void Chain::Drain(size_t first) {
  drained_.Update(RunSegments(first));
  for (size_t i = first; i < segments_.size(); ++i) segments_[i]->Begin(stream_ != nullptr);
  if (!drained_.ok()) return;
  // Whoever looks at the state is not to wait for Kafka. A look changes nothing of windows.
  state_.mutex.unlock();
  absl::Status passed = out_->PassOn();
  state_.mutex.lock();
  drained_.Update(std::move(passed));
}

absl::Status Chain::ScanAll(const Batch& in, OutputBatch* out) {
  Segment& segment = *segments_.front();
  for (size_t i = 0; i < in.size(); ++i) {
    const Record& record = in[i];
    Row row;
    row.source = static_cast<int32_t>(i);
    row.document = record.value;
    row.key = record.key;
    row.has_key = record.has_key;
    if (event_time_) {
      row.partition = shared_state().Find(record.partition);
      if (row.partition == nullptr) {
        return absl::AbortedError(
            base::StrCat("partition ", record.partition, " has no state on this worker"));
      }
    }
    const bool told = sourced_ && TakeSource(in, record, row.partition);
    if (record.has_value) {
      ScanOne(record, row, out);
    } else if (told) {
      segment.MoveClock(row.partition, row.partition->sources.time_us());
      ++out->filtered;
    } else {
      outputs_.EmitTombstone(record, row.source, out);
    }
  }
  return absl::OkStatus();
}

void Chain::ScanOne(const Record& record, Row row, OutputBatch* out) {
  Segment& segment = *segments_.front();
  const json::FieldSet& fields = segment.env().fields();
  const size_t width = fields.size();
  json::Value* slots = segment.arena()->Array<json::Value>(width);
  std::uninitialized_default_construct_n(slots, width);
  row.raw = {slots, width};
  const json::ScanError scanned = json::Scan(record.value, fields, {slots, width}, &row.info);
  if (!scanned.ok()) {
    out->dead_letters().push_back({row.source, scanned.Message(fields)});
    return;
  }
  int64_t clock_us = kNoTime;
  if (event_time_) {
    if (event_time_->Read(record, row.raw, &row.time_us, &error_)) {
      const Sources& sources = row.partition->sources;
      clock_us = sources.empty() ? row.time_us : sources.time_us();
    } else if (!state_.empty()) {
      out->dead_letters().push_back({row.source, error_});
      return;
    }
  }
  segment.Add(row, clock_us);
}

bool Chain::TakeSource(const Batch& in, const Record& record, Partition* partition) {
  headers_.clear();
  in.ReadHeaders(record, &headers_);
  SourceTime told;
  for (const Header& header : headers_) {
    if (header.name != kSourceHeader || !told.Read(header.value)) continue;
    partition->sources.Take(told);
    return true;
  }
  return false;
}

absl::StatusOr<int32_t> Chain::PartitionOf(std::optional<std::string_view> key) {
  if (state_.empty() || !key) return 0;
  const std::lock_guard lock(shared_state().mutex);
  const auto partitions = static_cast<uint32_t>(shared_state().input_partitions());
  if (partitions == 0) return absl::UnavailableError("this worker has not begun to read its topic");
  return static_cast<int32_t>((expr::Murmur2(*key) & 0x7fffffff) % partitions);
}

bool Chain::Owns(int32_t partition) {
  if (state_.empty()) return true;  // nothing is kept by partition
  const std::lock_guard lock(shared_state().mutex);
  const Partition* const found = shared_state().Find(partition);
  return found != nullptr && found->restored;
}

bool Chain::HasTables() {
  if (tables_.topics().empty()) return true;
  const std::lock_guard lock(shared_state().mutex);
  return stream_ == nullptr ? tables_loaded_ : stream_->tables_loaded_;
}

std::vector<runtime::StepReached> Chain::Coverage() const {
  std::vector<runtime::StepReached> steps;
  for (const auto& segment : segments_) segment->Coverage(&steps);
  return steps;
}

void Chain::UpdateTable(size_t table, const Batch& records) {
  const std::lock_guard lock(state_.mutex);
  tables_.Update(table, records);
}

void Chain::TablesLoaded() {
  const std::lock_guard lock(state_.mutex);
  tables_loaded_ = true;
}

void Chain::SetPartitions(int32_t partitions) {
  const std::lock_guard lock(state_.mutex);
  state_.set_input_partitions(partitions);
}

void Chain::Assign(int32_t partition, int32_t of) {
  const std::lock_guard lock(state_.mutex);
  state_.Assign(partition, of);
}

absl::Status Chain::Restore(const Batch& records) {
  const std::lock_guard lock(state_.mutex);
  absl::Status status = state_.Restore(records);
  return status.ok() ? state_.KeepWithin() : status;
}

void Chain::Restored(int32_t partition) {
  const std::lock_guard lock(state_.mutex);
  state_.Restored(partition);
}

void Chain::Release(int32_t partition) {
  const std::lock_guard lock(state_.mutex);
  state_.Release(partition);
  if (marks_) marks_->Release(partition);
}

void Chain::SetAtEnd(std::vector<int32_t> partitions) {
  if (marks_) marks_->SetAtEnd(std::move(partitions));
}

std::unique_ptr<runtime::StateWalk> Chain::Walk(int32_t partition) {
  const std::lock_guard lock(state_.mutex);
  return state_.Walk(partition);
}

std::unique_ptr<runtime::StateWalk> Chain::Detach(int32_t partition) {
  const std::lock_guard lock(state_.mutex);
  if (marks_) marks_->Release(partition);
  return state_.Detach(partition);
}

void Chain::Checkpoint(OutputBatch* changes, FlushChanges flush) {
  std::unique_lock lock(state_.mutex);
  // Who looks at the state is not to wait for Kafka. A look changes nothing that has to be written.
  state_.Checkpoint(changes, [&](OutputBatch* some) {
    lock.unlock();
    flush(some);
    lock.lock();
  });
}

absl::Status Chain::Tick(int64_t now_ms, OutputBatch* out) {
  const std::lock_guard lock(state_.mutex);
  if (probe_) {
    const StateMemory::Counts spilled = state_.spilled();
    probe_->Set({state_.keys(), state_.bytes(), spilled.keys, spilled.bytes, tables_.rows(),
                 tables_.bytes()});
    probe_->Spilled(spilled.spilled, spilled.read_back, spilled.failures);
    probe_->Late(std::exchange(late_, 0));
  }
  const Batch none;
  BeginBatch(none, out);
  outputs_.set_now_ms(now_ms == kEnd ? base::NowMicros() / 1000 : now_ms);
  for (const auto& segment : segments_) {
    // What a window gives goes through the segments behind it, whose own windows then follow.
    state_.ForEach([&](Partition& partition) { segment->Tick(partition, now_ms); });
    absl::Status status = RunSegments(segment->number() + 1);
    if (!status.ok()) return status;
    for (const auto& done : segments_) done->Begin(false);
  }
  if (marks_ && now_ms != kEnd) marks_->Tick(now_ms, &state_, segments_.size() - 1, out);
  return state_.KeepWithin();
}

void Chain::Reset() {
  const std::lock_guard lock(state_.mutex);
  state_.Reset();
  tables_.Reset();
  if (marks_) marks_->Reset();
  tables_loaded_ = false;
}

}  // namespace levada::scoring
