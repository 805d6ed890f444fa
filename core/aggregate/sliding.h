#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/aggregate/aggregate_set.h"

// Aggregates over the spans of time up to an event, one blob a key.
//
//   auto sliding = SlidingState::Make(&set, {.spans_us = {kHour, kDay}});
//   …
//   switch (sliding->Update(&blob, time_us, watermark_us - lateness_us, inputs, &arena, results)) {
//     case SlidingState::Arrival::kTooLate: probe.Late(); …
//   }
//   results[1 * set.size() + 0]   // of the second span, the first aggregate
//
// What a span covers. Time is cut into panes: of the shortest span each is 1/60 (`panes`) of it; of
// a longer one a multiple of those, at most 1/60 of it. The value at time t over a span S with
// panes of length w is that of all events that have come by now in panes from
//
//     floor(t / w)·w − (P − 1)·w      P = ceil(S / w)
//
// up to and with the shortest span's pane that t is in. So at the far edge it is wrong by less than
// w: where w divides S, the last part of the oldest pane is missing and nothing older than S
// counts. For the newest event the near edge is exact; for a late one, other events of its own
// short pane may be later than it. Which panes there are does not depend on the events, so that the
// same events in the same order give the same values.
//
// How it is kept. Panes have the length of the shortest span's while they are young; when they
// leave a span they are put together to the next longer span's, and are dropped behind the longest.
// So an event is added once, in one pane, and a key with few events has few panes. Beside them is a
// total a span: the event is added to it, and a pane that leaves the span is taken away from it
// (count, sum, avg, stddev, quantile), or where that cannot be (min, max, first, last, distinct;
// and now and then for the precision of sums) the total is made anew from the panes.
//
//   table   := header total × spans pane*              entries as in table.h, panes ascending
//   header  := i64 time of the newest event, i64 that at which panes were last put together and
//              dropped, i64 that at which they are next
//   total   := i64 first moment that it covers, accumulators
//   pane    := i64 its first moment, accumulators
//
// Late events: those not older than `lateness` before the key's newest event, and not before
// `oldest_us`, count as if they had come in time. Older ones are not added, but get values: what is
// known about their time, and themselves.
//
// time_since_last of a late event is too long by less than a pane where later events of its own
// pane came before it.
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

struct SlidingOptions {
  std::vector<int64_t> spans_us;
  int panes = 60;
  int64_t lateness_us = 60'000'000;
};

class SlidingState {
 public:
  static constexpr size_t kMaxSpans = 8;
  static constexpr int64_t kLongestSpan = int64_t{1} << 53;  // 285 years

  enum class Arrival { kInTime, kLate, kTooLate };

  // `set` must outlive the state. InvalidArgument where the options are wrong, or a blob might
  // become too large.
  static absl::StatusOr<SlidingState> Make(const AggregateSet* set, SlidingOptions options);

  size_t result_count() const { return spans_.size() * set_->size(); }
  // What a blob depends on.
  std::string Signature() const;

  // Adds an event, unless it is too late, and writes its values: span after span in the order of
  // the options. `time_us` is a time that base::ParseTimestamp gives.
  Arrival Update(Blob* blob, int64_t time_us, int64_t oldest_us, const Inputs& inputs,
                 base::Arena* arena, std::span<expr::Value> results);
  // The same without changing the blob.
  Arrival Peek(const Blob& blob, int64_t time_us, int64_t oldest_us, const Inputs& inputs,
               base::Arena* arena, std::span<expr::Value> results);

  // The moment from which on the blob is of no use: no span of an event from then on reaches what
  // it has. Not for an empty blob.
  int64_t ExpiresAt(std::string_view blob) const;
  // Refuses bytes that are not a state of this kind.
  absl::Status Check(Blob* blob) const;
  uint64_t MaxBytes() const;

 private:
  struct Span {
    int64_t pane_us = 0;
    int64_t reach_us = 0;  // its panes together
    size_t place = 0;      // in the options
  };

  struct Header {
    int64_t newest_us = 0;
    int64_t tidied_us = 0;
    int64_t due_us = 0;
  };

  SlidingState() = default;

  static int64_t StartOf(Table& table, uint32_t entry) { return Load<int64_t>(table.Entry(entry)); }
  size_t Accumulators(const Table& table, uint32_t entry) const {
    return table.At(entry) + layout_.prefix_bytes;
  }
  uint32_t Panes() const { return static_cast<uint32_t>(spans_.size()); }  // the first one's entry
  uint64_t MaxEntries() const;
  int64_t EdgeAt(const Span& span, int64_t time_us) const;
  // Panes of this span that begin before it belong to the next one.
  int64_t CutAt(size_t span, int64_t time_us) const;
  int64_t WidthBehind(size_t span) const;
  int64_t DueAt(int64_t time_us) const;
  // The first pane that begins at `start_us` or later.
  uint32_t FindPane(Table& table, int64_t start_us) const;

  void Begin(Table& table, int64_t time_us) const;
  void Advance(Table& table, int64_t time_us) const;
  void Slide(Table& table, uint32_t total, int64_t edge, int64_t new_edge) const;
  bool RemakesSums(const Span& span, int64_t edge, int64_t new_edge) const;
  void MakeAnew(const Accumulator& accumulator, Table& table, size_t at, uint32_t first) const;
  void Tidy(Table& table, int64_t time_us) const;
  void AddInTime(Table& table, int64_t time_us, const Inputs& inputs, base::Arena* arena,
                 std::span<expr::Value> results);
  void AddLate(Table& table, int64_t time_us, const Inputs& inputs, base::Arena* arena,
               std::span<expr::Value> results);
  // Values at a time before the newest, from the panes; `event`: as if it had been added.
  void LookBack(Table& table, int64_t time_us, const Inputs* event, base::Arena* arena,
                std::span<expr::Value> results);
  // Whether each total has as much as the panes from its edge on. A pane that had more would leave
  // a total behind that is less than nothing, which only the next Check would refuse.
  bool TotalsAgree(Table& table) const;
  void TimesSinceLast(Table& table, int64_t time_us);
  void WriteResults(Table& table, size_t at, const Span& span, base::Arena* arena,
                    std::span<expr::Value> results) const;

  const AggregateSet* set_ = nullptr;
  std::vector<Span> spans_;  // ascending
  int64_t lateness_us_ = 0;
  Layout layout_;
  bool inexact_ = false;                   // some sums have a precision
  std::vector<size_t> since_;              // results that are time_since_last
  std::vector<expr::Value> since_values_;  // of an event: span after span
  OwnedBlob scratch_;                      // a table with one entry: what LookBack merges
  OwnedBlob copy_;                         // what Peek changes
  std::string moved_;                      // Table::CompactIfWorthwhile's
};

}  // namespace levada::aggregate
