#include "services/scoring/segment.h"

#include <algorithm>
#include <chrono>

#include "core/base/strings.h"
#include "core/runtime/stateful.h"

namespace levada::scoring {
namespace {

constexpr std::string_view kNothing = "{}";

// How many events ahead of its use the state of a key is brought into the cache: its slot in the
// table, the head of its entry, the entry's end. An event takes about as long as memory does.
constexpr size_t kSlotAhead = 6;
constexpr size_t kHeadAhead = 4;
constexpr size_t kEndAhead = 2;

// A window ends for all of its keys at once.
constexpr size_t kManyRows = 2000;

int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void Segment::AddStep(std::unique_ptr<Step> step, std::string place) {
  if (keyed_ == nullptr && step->KeyField() >= 0) keyed_ = step.get();
  steps_.push_back(std::move(step));
  places_.push_back(std::move(place));
  reached_.push_back(0);
}

void Segment::Finish() {
  writer_.emplace(copied_, &env_);
  // Last: it takes its sizes from the finished Env.
  activation_.emplace(env_, &arena_);
  absent_.resize(env_.fields().size());
}

void Segment::Add(Row row, int64_t clock_us) {
  if (row.partition != nullptr) {
    Partition::Clock& clock = row.partition->clocks[number_];
    row.newest_us = std::max({clock.newest_us, clock_us, kLongAgo});
    if (!look_) {
      MoveClock(row.partition, clock_us);
      clock.seen_at_ms = ticked_at_ms_;
    }
  }
  rows_.push_back(row);
}

void Segment::MoveClock(Partition* partition, int64_t to_us) const {
  Partition::Clock& clock = partition->clocks[number_];
  clock.newest_us = std::max(clock.newest_us, to_us);
}

std::span<expr::Value> Segment::Make(Row row) {
  const size_t count = env_.slot_count();
  expr::Value* const slots = arena_.Array<expr::Value>(count);
  std::uninitialized_default_construct_n(slots, count);
  row.made = true;
  row.document = kNothing;
  row.info.close = 1;
  row.info.empty = true;
  row.raw = absent_;
  row.slots = {slots, count};
  Add(row, row.time_us);
  return {slots, count};
}

void Segment::DrainIfMany() {
  if (rows_.size() >= kManyRows && drain_ != nullptr) drain_();
}

absl::Status Segment::Run(const Batch& in, RowSink* sink) {
  in_ = &in;
  sink_ = sink;
  const bool timed = took_slot_ >= 0;
  for (size_t begin = 0;;) {
    size_t end = begin;
    while (end < steps_.size() && !steps_[end]->barrier()) ++end;
    last_ = end == steps_.size();
    // The barrier's own Apply gathers its inputs: it belongs to this run.
    const size_t stop = last_ ? end : end + 1;
    kept_.clear();
    for (size_t i = 0; i < rows_.size(); ++i) {
      Row& row = rows_[i];
      if (timed) began_nanos_ = NowNanos();
      if (begin == 0 && keyed_ != nullptr) LookAhead(i);
      Resume(row);
      if (begin > 0) {
        Event event{*activation_, i};
        steps_[begin - 1]->Finish(event);
      }
      RunFrom(row, begin, stop);
    }
    if (last_) return absl::OkStatus();
    rows_.swap(kept_);
    const int64_t start = NowNanos();
    if (absl::Status status = steps_[end]->Run(rows_.size()); !status.ok()) return status;
    const int64_t share =
        rows_.empty() ? 0 : (NowNanos() - start) / static_cast<int64_t>(rows_.size());
    for (Row& row : rows_) row.nanos += share;
    begin = end + 1;
  }
}

void Segment::LookAhead(size_t row) {
  if (row + kSlotAhead < rows_.size()) {
    Row& ahead = rows_[row + kSlotAhead];
    const StateTable* const table = ahead.made ? nullptr : keyed_->KeyTable(*ahead.partition);
    if (table != nullptr && table->WorthPrefetching()) {
      ahead.table = table;
      ahead.hash = StateTable::Hash(ahead.raw[keyed_->KeyField()].raw);
      table->PrefetchSlot(ahead.hash);
    }
  }
  if (row + kHeadAhead < rows_.size()) {
    const Row& ahead = rows_[row + kHeadAhead];
    if (ahead.table != nullptr) ahead.table->PrefetchHead(ahead.hash);
  }
  if (row + kEndAhead < rows_.size()) {
    const Row& ahead = rows_[row + kEndAhead];
    if (ahead.table != nullptr) ahead.table->PrefetchEnd(ahead.hash);
  }
}

void Segment::Resume(const Row& row) {
  expr::Meta meta;
  if (!row.made) meta = {in_, &(*in_)[row.source]};
  activation_->Begin(row.document, row.raw, meta);
  for (size_t slot = 0; slot < row.slots.size(); ++slot) {
    activation_->Set(static_cast<int>(slot), row.slots[slot]);
  }
}

void Segment::RunFrom(const Row& row, size_t step, size_t stop) {
  Event event{*activation_, kept_.size()};
  event.partition = row.partition;
  event.time_us = row.time_us;
  event.newest_us = row.newest_us;
  event.source = row.source;
  event.look = look_;
  for (; step < stop; ++step) {
    ++reached_[step];
    switch (steps_[step]->Apply(event)) {
      case Verdict::kKeep:
        break;
      case Verdict::kDrop:
        return sink_->Filtered();
      case Verdict::kFail:
        return sink_->Failed(row, base::StrCat(places_[step], ": ", event.error));
      case Verdict::kTake:
        return;
      case Verdict::kLate:
        return sink_->Late(row);
      case Verdict::kFan:
        return Fan(event, row, step, stop);
    }
  }
  Ended(row);
}

void Segment::Fan(const Event& event, const Row& row, size_t step, size_t stop) {
  if (event.fan == 0) return sink_->Filtered();
  for (size_t k = 0; k < event.fan; ++k) {
    Event one = event;
    steps_[step]->Fan(one, k);
    RunFrom(row, step + 1, stop);
  }
}

void Segment::Ended(const Row& row) {
  const int64_t nanos = took_slot_ < 0 ? 0 : row.nanos + NowNanos() - began_nanos_;
  if (!last_) return Keep(row, nanos);
  if (took_slot_ >= 0) activation_->Set(took_slot_, expr::Value::Int((nanos + 999) / 1000));
  sink_->Kept(row);
}

void Segment::Keep(const Row& row, int64_t nanos) {
  const size_t count = env_.slot_count();
  expr::Value* slots = arena_.Array<expr::Value>(count);
  for (size_t slot = 0; slot < count; ++slot) {
    slots[slot] = activation_->Get(static_cast<int>(slot));
  }
  Row& kept = kept_.emplace_back(row);
  kept.slots = {slots, count};
  kept.nanos = nanos;
}

void Segment::Tick(Partition& partition, int64_t now_ms) {
  if (now_ms != runtime::Stateful::kEnd) ticked_at_ms_ = now_ms;
  for (const std::unique_ptr<Step>& step : steps_) step->Tick(partition, now_ms);
}

void Segment::EndBatch() {
  for (const std::unique_ptr<Step>& step : steps_) step->EndBatch();
}

bool Segment::Write(const Row& row, std::string* out) {
  return writer_->Write(row.document, row.info, row.raw, *activation_, out);
}

void Segment::Coverage(std::vector<runtime::StepReached>* steps) const {
  for (size_t i = 0; i < steps_.size(); ++i) {
    steps->push_back({places_[i], reached_[i], steps_[i]->RulesReached()});
  }
}

}  // namespace levada::scoring
