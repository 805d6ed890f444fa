// The panes of a sliding state: where they begin, leave the totals, are put together and dropped.
#include <algorithm>

#include "core/aggregate/grid.h"
#include "core/aggregate/sliding.h"

namespace levada::aggregate {
namespace {

// How many panes may leave a total before it is made anew for the precision of its sums.
constexpr int64_t kRemakeAfter = 16;

}  // namespace

uint32_t SlidingState::FindPane(Table& table, int64_t start_us) const {
  uint32_t low = Panes();
  uint32_t high = table.size();
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (StartOf(table, middle) < start_us) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void SlidingState::Begin(Table& table, int64_t time_us) const {
  table.Initialise();
  Store(table.header(), Header{time_us, time_us, DueAt(time_us)});
  for (uint32_t i = 0; i < spans_.size(); ++i) {
    table.Insert(i);
    Store(table.Entry(i), EdgeAt(spans_[i], time_us));
  }
  table.Insert(Panes());
  Store(table.Entry(Panes()), Floor(time_us, spans_.front().pane_us));
}

// A new pane begins at the near edge.
void SlidingState::Advance(Table& table, int64_t time_us) const {
  for (uint32_t i = 0; i < spans_.size(); ++i) {
    const Span& span = spans_[i];
    const int64_t edge = StartOf(table, i);
    if (time_us - edge < span.reach_us) continue;
    Slide(table, i, edge, EdgeAt(span, time_us));
  }
  if (time_us >= Load<Header>(table.header()).due_us) Tidy(table, time_us);
  const uint32_t pane = table.size();
  table.Insert(pane);
  Store(table.Entry(pane), Floor(time_us, spans_.front().pane_us));
}

// Whether sums are to be made anew for their precision: each time that the number of their first
// pane goes over a multiple of kRemakeAfter.
bool SlidingState::RemakesSums(const Span& span, int64_t edge, int64_t new_edge) const {
  if (!inexact_) return false;
  if (new_edge - edge >= kRemakeAfter * span.pane_us) return true;
  const int64_t first = FloorDiv(new_edge, span.pane_us);
  const int64_t before = new_edge - edge == span.pane_us ? first - 1 : FloorDiv(edge, span.pane_us);
  return FloorDiv(first, kRemakeAfter) != FloorDiv(before, kRemakeAfter);
}

// Takes the panes that begin before `new_edge` out of a total.
void SlidingState::Slide(Table& table, uint32_t total, int64_t edge, int64_t new_edge) const {
  Store(table.Entry(total), new_edge);
  const uint32_t first = FindPane(table, edge);
  const uint32_t end = FindPane(table, new_edge);
  if (first == end) return;
  const uint32_t panes = table.size();
  const bool remake = end - first > panes - end || RemakesSums(spans_[total], edge, new_edge);
  for (const Accumulator& accumulator : set_->accumulators()) {
    const size_t at = Accumulators(table, total) + accumulator.offset;
    const double before = Magnitude(accumulator, table, at);
    bool removed = !(remake && before > 0);
    for (uint32_t pane = first; pane < end && removed; ++pane) {
      removed =
          Remove(accumulator, table, at, table, Accumulators(table, pane) + accumulator.offset);
    }
    if (removed && Magnitude(accumulator, table, at) >= 0.5 * before) continue;
    MakeAnew(accumulator, table, at, end);
  }
}

// From the panes from `first` on, where there can be no other minimum or maximum than a less
// extreme one.
void SlidingState::MakeAnew(const Accumulator& accumulator, Table& table, size_t at,
                            uint32_t first) const {
  const uint32_t panes = table.size();
  const auto merge = [&](uint32_t pane) {
    Merge(accumulator, table, at, table, Accumulators(table, pane) + accumulator.offset);
  };
  switch (accumulator.function) {
    case Function::kMin:
    case Function::kMax: {
      const auto before = Load<Scalar>(table.data() + at);
      Reset(accumulator, table, at);
      for (uint32_t pane = panes; pane > first; --pane) {
        merge(pane - 1);
        const auto now = Load<Scalar>(table.data() + at);
        if (!accumulator.text && now.kind == before.kind && now.size == before.size &&
            now.payload == before.payload) {
          return;
        }
      }
      return;
    }
    case Function::kFirst:
      Reset(accumulator, table, at);
      for (uint32_t pane = first; pane < panes && Load<Scalar>(table.data() + at).kind == 0;
           ++pane) {
        merge(pane);
      }
      return;
    default:
      Reset(accumulator, table, at);
      for (uint32_t pane = first; pane < panes; ++pane) merge(pane);
  }
}

// Puts panes that have left a span together to the next one's, and drops those behind the last.
void SlidingState::Tidy(Table& table, int64_t time_us) const {
  auto header = Load<Header>(table.header());
  int64_t cuts[kMaxSpans];
  int64_t cuts_before[kMaxSpans];
  for (size_t i = 0; i < spans_.size(); ++i) {
    cuts[i] = CutAt(i, time_us);
    cuts_before[i] = CutAt(i, header.tidied_us);
  }
  const uint32_t first = Panes();
  const uint32_t end = FindPane(table, cuts[0]);
  uint32_t kept = first;
  for (uint32_t pane = first; pane < end; ++pane) {
    int64_t start = StartOf(table, pane);
    if (start < cuts[spans_.size() - 1]) {
      table.FreeChunksOf(pane);
      continue;
    }
    size_t span = spans_.size() - 1;
    while (span > 0 && start >= cuts[span - 1]) --span;
    if (span > 0 && start >= cuts_before[span - 1]) {
      start = Floor(start, spans_[span].pane_us);
      if (kept > first && StartOf(table, kept - 1) == start) {
        set_->MergeAll(table, Accumulators(table, kept - 1), table, Accumulators(table, pane));
        table.FreeChunksOf(pane);
        continue;
      }
    }
    if (kept != pane) {
      std::memcpy(table.Entry(kept), table.Entry(pane), layout_.entry_bytes);
    }
    Store(table.Entry(kept), start);
    ++kept;
  }
  table.Erase(kept, end - kept);
  header.tidied_us = time_us;
  header.due_us = DueAt(time_us);
  Store(table.header(), header);
}

}  // namespace levada::aggregate
