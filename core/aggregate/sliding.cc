#include "core/aggregate/sliding.h"

#include <algorithm>
#include <limits>

#include "core/aggregate/grid.h"
#include "core/base/strings.h"

namespace levada::aggregate {
namespace {

using expr::Value;

constexpr uint64_t kMaxBlobBytes = uint64_t{1} << 30;

// Length of a longer span's panes: of the multiples of `unit` up to 1/panes of it the largest, or a
// smaller one that divides it where there is one down to half of that.
int64_t PaneOf(int64_t span, int64_t panes, int64_t unit) {
  const int64_t most = std::max<int64_t>(1, span / panes / unit);
  for (int64_t times = most; times > 0 && 2 * times > most && most - times < 10'000; --times) {
    if (span % (times * unit) == 0) return times * unit;
  }
  return most * unit;
}

Value Seconds(int64_t us) { return Value::Double(static_cast<double>(us) / 1e6); }

}  // namespace

absl::StatusOr<SlidingState> SlidingState::Make(const AggregateSet* set, SlidingOptions options) {
  if (options.spans_us.empty() || options.spans_us.size() > kMaxSpans || options.panes < 1) {
    return absl::InvalidArgumentError("one to eight spans, of at least one pane each");
  }
  SlidingState state;
  state.set_ = set;
  state.lateness_us_ = std::clamp<int64_t>(options.lateness_us, 0, kLongestSpan);
  for (size_t i = 0; i < options.spans_us.size(); ++i) {
    const int64_t span = options.spans_us[i];
    if (span < 1 || span > kLongestSpan) {
      return absl::InvalidArgumentError("a span is longer than nothing and shorter than 285 years");
    }
    state.spans_.push_back({0, span, i});
  }
  std::sort(state.spans_.begin(), state.spans_.end(),
            [](const Span& a, const Span& b) { return a.reach_us < b.reach_us; });
  int64_t unit = 1;
  for (Span& span : state.spans_) {
    span.pane_us = PaneOf(span.reach_us, options.panes, unit);
    const int64_t panes = (span.reach_us + span.pane_us - 1) / span.pane_us;
    span.reach_us = panes * span.pane_us;
    unit = span.pane_us;
  }
  state.layout_ = set->MakeLayout(sizeof(Header), sizeof(int64_t));
  for (size_t i = 0; i < set->size(); ++i) {
    const Accumulator& accumulator = set->accumulators()[set->AccumulatorOf(i)];
    if (accumulator.function == Function::kTimeSinceLast) state.since_.push_back(i);
    state.inexact_ |= IsInexact(accumulator);
  }
  state.since_values_.resize(state.since_.size() * state.spans_.size());
  if (state.MaxEntries() > Table::kMaxEntries || state.MaxBytes() > kMaxBlobBytes) {
    return absl::InvalidArgumentError(base::StrCat(
        "a key may have ", state.MaxEntries(),
        " panes, which is too many: make the lateness shorter, the shortest span longer, or the "
        "panes fewer"));
  }
  return state;
}

std::string SlidingState::Signature() const {
  std::string signature = "sliding/1\n" + set_->signature();
  for (const Span& span : spans_) {
    base::StrAppend(&signature, span.reach_us, "/", span.pane_us, "\n");
  }
  return signature;
}

int64_t SlidingState::EdgeAt(const Span& span, int64_t time_us) const {
  return Floor(time_us, span.pane_us) - (span.reach_us - span.pane_us);
}

int64_t SlidingState::WidthBehind(size_t span) const {
  return spans_[std::min(span + 1, spans_.size() - 1)].pane_us;
}

// Whole panes of the next span at once, once no event that may come reaches them in this span.
int64_t SlidingState::CutAt(size_t span, int64_t time_us) const {
  return Floor(time_us - lateness_us_ - spans_[span].reach_us, WidthBehind(span));
}

int64_t SlidingState::DueAt(int64_t time_us) const {
  int64_t due = std::numeric_limits<int64_t>::max();
  for (size_t i = 0; i < spans_.size(); ++i) {
    due = std::min(due, CutAt(i, time_us) + WidthBehind(i) + lateness_us_ + spans_[i].reach_us);
  }
  return due;
}

uint64_t SlidingState::MaxEntries() const {
  uint64_t entries = spans_.size();
  for (size_t i = 0; i < spans_.size(); ++i) {
    entries += static_cast<uint64_t>((spans_[i].reach_us + lateness_us_ + WidthBehind(i)) /
                                     spans_[i].pane_us) +
               2;
  }
  return entries;
}

uint64_t SlidingState::MaxBytes() const {
  return Table::MaxBytes(layout_, MaxEntries(), set_->max_chunk_bytes());
}

int64_t SlidingState::ExpiresAt(std::string_view blob) const {
  const auto header = Load<Header>(blob.data() + layout_.head_bytes());
  return header.newest_us + lateness_us_ + spans_.back().reach_us;
}

SlidingState::Arrival SlidingState::Update(Blob* blob, int64_t time_us, int64_t oldest_us,
                                           const Inputs& inputs, base::Arena* arena,
                                           std::span<Value> results) {
  if (blob->empty() && time_us < oldest_us) blob = &copy_;  // nothing is to be kept
  Table table(&layout_, blob);
  if (blob == &copy_ && time_us < oldest_us) copy_.Clear();
  if (blob->empty()) Begin(table, time_us);
  table.CompactIfWorthwhile(&moved_);
  const auto header = Load<Header>(table.header());
  const int64_t current = StartOf(table, table.size() - 1);
  if (time_us < std::max(oldest_us, header.newest_us - lateness_us_)) {
    TimesSinceLast(table, time_us);
    LookBack(table, time_us, &inputs, arena, results);
    return Arrival::kTooLate;
  }
  if (time_us < current) {
    AddLate(table, time_us, inputs, arena, results);
    return Arrival::kLate;
  }
  if (time_us - current >= spans_.front().pane_us) Advance(table, time_us);
  AddInTime(table, time_us, inputs, arena, results);
  if (time_us < header.newest_us) return Arrival::kLate;
  Store(table.header(), time_us);
  return Arrival::kInTime;
}

SlidingState::Arrival SlidingState::Peek(const Blob& blob, int64_t time_us, int64_t oldest_us,
                                         const Inputs& inputs, base::Arena* arena,
                                         std::span<Value> results) {
  copy_.Assign(blob.view());
  return Update(&copy_, time_us, oldest_us, inputs, arena, results);
}

void SlidingState::AddInTime(Table& table, int64_t time_us, const Inputs& inputs,
                             base::Arena* arena, std::span<Value> results) {
  if (!since_.empty()) TimesSinceLast(table, time_us);
  set_->AddAll(table, Accumulators(table, table.size() - 1), inputs, time_us);
  for (uint32_t i = 0; i < spans_.size(); ++i) {
    const size_t at = Accumulators(table, i);
    set_->AddAll(table, at, inputs, time_us);
    WriteResults(table, at, spans_[i], arena, results);
  }
}

void SlidingState::AddLate(Table& table, int64_t time_us, const Inputs& inputs, base::Arena* arena,
                           std::span<Value> results) {
  const int64_t start = Floor(time_us, spans_.front().pane_us);
  TimesSinceLast(table, time_us);
  const uint32_t pane = FindPane(table, start);
  if (StartOf(table, pane) != start) {
    table.Insert(pane);
    Store(table.Entry(pane), start);
  }
  set_->AddAll(table, Accumulators(table, pane), inputs, time_us);
  for (uint32_t i = 0; i < spans_.size(); ++i) {
    if (start >= StartOf(table, i)) set_->AddAll(table, Accumulators(table, i), inputs, time_us);
  }
  LookBack(table, time_us, nullptr, arena, results);
}

void SlidingState::LookBack(Table& table, int64_t time_us, const Inputs* event, base::Arena* arena,
                            std::span<Value> results) {
  Table scratch(&layout_, &scratch_);
  if (scratch_.empty()) {
    scratch.Initialise();
    scratch.Insert(0);
  }
  scratch.Clear(0);
  scratch.CompactIfWorthwhile(&moved_);
  const size_t at = Accumulators(scratch, 0);
  if (event != nullptr) set_->AddAll(scratch, at, *event, time_us);
  // Shorter spans are part of the longer ones.
  uint32_t pane = FindPane(table, time_us + 1);
  for (const Span& span : spans_) {
    const int64_t edge = EdgeAt(span, time_us);
    for (; pane > Panes() && StartOf(table, pane - 1) >= edge; --pane) {
      set_->MergeAll(scratch, at, table, Accumulators(table, pane - 1));
    }
    WriteResults(scratch, at, span, arena, results);
  }
}

// Before the event is added. For the newest event the totals know the last time; for others it is
// looked for in the panes, of which only the first and the last time are known.
void SlidingState::TimesSinceLast(Table& table, int64_t time_us) {
  for (size_t i = 0; i < since_.size(); ++i) {
    const uint32_t offset = set_->accumulators()[set_->AccumulatorOf(since_[i])].offset;
    for (uint32_t span = 0; span < spans_.size(); ++span) {
      Value& value = since_values_[span * since_.size() + i];
      value = Value::Null();
      const int64_t edge = EdgeAt(spans_[span], time_us);
      int64_t last = 0;
      const size_t total = Accumulators(table, span) + offset;
      if (edge == StartOf(table, span) && !HasTimeAfter(table, total, time_us)) {
        if (LastTimeUpTo(table, total, time_us, &last)) value = Seconds(time_us - last);
        continue;
      }
      for (uint32_t pane = FindPane(table, time_us + 1);
           pane > Panes() && StartOf(table, pane - 1) >= edge; --pane) {
        if (LastTimeUpTo(table, Accumulators(table, pane - 1) + offset, time_us, &last)) {
          value = Seconds(time_us - last);
          break;
        }
      }
    }
  }
}

void SlidingState::WriteResults(Table& table, size_t at, const Span& span, base::Arena* arena,
                                std::span<Value> results) const {
  const auto mine = results.subspan(span.place * set_->size(), set_->size());
  set_->Results(table, at, arena, mine);
  const size_t begin = static_cast<size_t>(&span - spans_.data()) * since_.size();
  for (size_t i = 0; i < since_.size(); ++i) mine[since_[i]] = since_values_[begin + i];
}

bool SlidingState::TotalsAgree(Table& table) const {
  for (const Accumulator& accumulator : set_->accumulators()) {
    const auto whole = [&](uint32_t entry) {
      return WholeOf(accumulator, table, Accumulators(table, entry) + accumulator.offset);
    };
    Whole sum = 0;
    // Shorter spans are part of the longer ones.
    uint32_t pane = table.size();
    for (uint32_t total = 0; total < Panes(); ++total) {
      const int64_t edge = StartOf(table, total);
      for (; pane > Panes() && StartOf(table, pane - 1) >= edge; --pane) sum += whole(pane - 1);
      if (whole(total) != sum) return false;
    }
  }
  return true;
}

absl::Status SlidingState::Check(Blob* blob) const {
  const auto broken = [](std::string_view what) {
    return absl::DataLossError(base::StrCat("the state is broken: ", what));
  };
  Table table(&layout_, blob);
  if (absl::Status status = table.Check(); !status.ok()) return status;
  if (table.size() <= Panes() || table.size() > MaxEntries()) return broken("number of panes");
  const auto header = Load<Header>(table.header());
  constexpr int64_t kEnd = int64_t{1} << 60;
  if (header.newest_us <= -kEnd || header.newest_us >= kEnd) return broken("its newest time");
  if (header.tidied_us <= -kEnd || header.tidied_us > header.newest_us ||
      header.due_us != DueAt(header.tidied_us)) {
    return broken("when it was tidied");
  }
  for (uint32_t i = 0; i < Panes(); ++i) {
    if (StartOf(table, i) != EdgeAt(spans_[i], header.newest_us)) return broken("a span's edge");
  }
  const int64_t unit = spans_.front().pane_us;
  for (uint32_t pane = Panes(); pane < table.size(); ++pane) {
    const int64_t start = StartOf(table, pane);
    if (start <= -kEnd || start >= kEnd || Floor(start, unit) != start) return broken("a pane");
    if (pane > Panes() && StartOf(table, pane - 1) >= start) return broken("order of panes");
  }
  if (StartOf(table, table.size() - 1) != Floor(header.newest_us, unit)) {
    return broken("its newest pane");
  }
  for (uint32_t entry = 0; entry < table.size(); ++entry) {
    absl::Status status = set_->CheckAll(table, Accumulators(table, entry));
    if (!status.ok()) return status;
  }
  return TotalsAgree(table) ? absl::OkStatus() : broken("a total is not that of its panes");
}

}  // namespace levada::aggregate
