#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/aggregate/aggregate_set.h"

// Aggregates over windows of event time. Which windows there are, which have a state and when they
// close is the caller's, by a watermark: the time before which no event is waited for any more.
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

// Tumbling (every == size) and hopping windows: [n·every, n·every + size) for all whole n, counted
// from 1970. A window is closed when the watermark has reached its end.
//
//   for (int64_t start = windows.Last(time); windows.Has(start, time); start -= windows.every_us) …
struct Windows {
  int64_t size_us = 0;
  int64_t every_us = 0;

  // Beginning of the last window that begins at `time_us` or before.
  int64_t Last(int64_t time_us) const {
    const int64_t rest = time_us % every_us;
    return time_us - (rest < 0 ? rest + every_us : rest);
  }
  bool Has(int64_t start_us, int64_t time_us) const {
    return start_us <= time_us && time_us - start_us < size_us;
  }
  bool Closed(int64_t start_us, int64_t watermark_us) const {
    return watermark_us >= start_us + size_us;
  }
};

// One blob a key and window: a table (table.h) with one entry.
//
//   WindowState state(&set);
//   state.Add(&blob, time, inputs);
//   state.Results(&blob, &arena, results);     // once it is closed; an empty blob: of no events
class WindowState {
 public:
  // `set` must outlive the state.
  explicit WindowState(const AggregateSet* set) : set_(set), layout_(set->MakeLayout(0, 0)) {}

  std::string Signature() const { return "window/1\n" + set_->signature(); }

  void Add(Blob* blob, int64_t time_us, const Inputs& inputs) {
    Table table(&layout_, blob);
    Begin(table, blob);
    set_->AddAll(table, table.At(0), inputs, time_us);
  }
  void Merge(Blob* blob, Blob* from);
  void Results(Blob* blob, base::Arena* arena, std::span<expr::Value> results);
  absl::Status Check(Blob* blob) const;
  uint64_t MaxBytes() const;

 private:
  void Begin(Table& table, const Blob* blob) {
    if (blob->empty()) {
      table.Initialise();
      table.Insert(0);
    } else {
      table.CompactIfWorthwhile(&moved_);
    }
  }

  const AggregateSet* set_;
  Layout layout_;
  std::string moved_;
};

// One blob a key: its sessions that are open. A session is of events of which none is farther than
// `gap` from the next, and not longer than `max` from the first to the last: where an event would
// make it longer, or join two to a longer one, a new session begins, or the two stay. A session is
// closed when the watermark is more than `gap` behind its last event.
//
//   switch (sessions.Add(&blob, time, watermark, inputs)) { case SessionState::Added::kLate: … }
//   …
//   while (sessions.Close(&blob, watermark, &session, &arena, results)) Emit(session, results);
//   if (sessions.empty(blob)) Remove(key); else WakeUp(key, sessions.NextClose(blob));
//
//   table := session*                            entries as in table.h, by their beginning
//   session := i64 first event, i64 last event, accumulators
class SessionState {
 public:
  // Open sessions of a key; with gaps that are short beside the lateness there may be some.
  static constexpr uint32_t kMaxOpen = 1024;

  enum class Added {
    kAdded,
    kLate,  // its session would be closed already
    kFull,  // the key has kMaxOpen sessions
  };
  struct Session {
    int64_t first_us = 0;
    int64_t last_us = 0;
  };

  // `set` must outlive the state.
  SessionState(const AggregateSet* set, int64_t gap_us, int64_t max_us)
      : set_(set), gap_us_(gap_us), max_us_(max_us), layout_(set->MakeLayout(0, sizeof(Session))) {}

  std::string Signature() const;

  Added Add(Blob* blob, int64_t time_us, int64_t watermark_us, const Inputs& inputs);
  // Takes out the earliest session that is closed, with its values; false, and the blob is as it
  // was, where there is none.
  bool Close(Blob* blob, int64_t watermark_us, Session* session, base::Arena* arena,
             std::span<expr::Value> results);
  bool empty(const Blob& blob) const;
  // The watermark at which the next of its sessions closes. There is one.
  int64_t NextClose(Blob* blob) const;
  absl::Status Check(Blob* blob) const;
  uint64_t MaxBytes() const;

 private:
  Session At(Table& table, uint32_t entry) const { return Load<Session>(table.Entry(entry)); }
  size_t Accumulators(const Table& table, uint32_t entry) const {
    return table.At(entry) + layout_.prefix_bytes;
  }
  bool Closed(const Session& session, int64_t watermark_us) const {
    return session.last_us + gap_us_ < watermark_us;
  }
  // Whether an event, or a later session, may become part of a session.
  bool Joins(const Session& session, int64_t first_us, int64_t last_us) const;

  const AggregateSet* set_;
  int64_t gap_us_;
  int64_t max_us_;
  Layout layout_;
  std::string moved_;
};

}  // namespace levada::aggregate
