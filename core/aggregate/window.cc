#include "core/aggregate/window.h"

#include <algorithm>
#include <limits>

#include "core/base/strings.h"

namespace levada::aggregate {

void WindowState::Merge(Blob* blob, Blob* from) {
  if (from->empty()) return;
  Table table(&layout_, blob);
  Begin(table, blob);
  Table other(&layout_, from);
  set_->MergeAll(table, table.At(0), other, other.At(0));
}

void WindowState::Results(Blob* blob, base::Arena* arena, std::span<expr::Value> results) {
  Table table(&layout_, blob);
  Begin(table, blob);
  set_->Results(table, table.At(0), arena, results);
}

absl::Status WindowState::Check(Blob* blob) const {
  Table table(&layout_, blob);
  if (absl::Status status = table.Check(); !status.ok()) return status;
  if (table.size() != 1) return absl::DataLossError("the state is broken: a window is one entry");
  return set_->CheckAll(table, table.At(0));
}

uint64_t WindowState::MaxBytes() const {
  return Table::MaxBytes(layout_, 1, set_->max_chunk_bytes());
}

std::string SessionState::Signature() const {
  return base::StrCat("session/1\n", set_->signature(), gap_us_, "/", max_us_, "\n");
}

bool SessionState::Joins(const Session& session, int64_t first_us, int64_t last_us) const {
  if (first_us - session.last_us > gap_us_ || session.first_us - last_us > gap_us_) return false;
  return std::max(session.last_us, last_us) - std::min(session.first_us, first_us) <= max_us_;
}

SessionState::Added SessionState::Add(Blob* blob, int64_t time_us, int64_t watermark_us,
                                      const Inputs& inputs) {
  Table table(&layout_, blob);
  table.Initialise();
  table.CompactIfWorthwhile(&moved_);
  // The first session that it may join, or the place of a new one.
  uint32_t entry = 0;
  while (entry < table.size() && !Joins(At(table, entry), time_us, time_us) &&
         At(table, entry).first_us <= time_us) {
    ++entry;
  }
  const bool joins = entry < table.size() && Joins(At(table, entry), time_us, time_us);
  Session session = joins ? At(table, entry) : Session{time_us, time_us};
  session.first_us = std::min(session.first_us, time_us);
  session.last_us = std::max(session.last_us, time_us);
  if (Closed(session, watermark_us)) return Added::kLate;
  if (!joins) {
    if (table.size() == kMaxOpen) return Added::kFull;
    table.Insert(entry);
  }
  Store(table.Entry(entry), session);
  set_->AddAll(table, Accumulators(table, entry), inputs, time_us);
  const uint32_t next = entry + 1;
  if (next < table.size()) {
    const Session later = At(table, next);
    if (Joins(session, later.first_us, later.last_us)) {
      set_->MergeAll(table, Accumulators(table, entry), table, Accumulators(table, next));
      Store(table.Entry(entry), Session{std::min(session.first_us, later.first_us),
                                        std::max(session.last_us, later.last_us)});
      table.FreeChunksOf(next);
      table.Erase(next, 1);
    }
  }
  return Added::kAdded;
}

bool SessionState::Close(Blob* blob, int64_t watermark_us, Session* session, base::Arena* arena,
                         std::span<expr::Value> results) {
  if (blob->empty()) return false;
  // The bytes stay as they are where nothing is closed: dead ones are taken back by Add.
  Table table(&layout_, blob);
  for (uint32_t entry = 0; entry < table.size(); ++entry) {
    *session = At(table, entry);
    if (!Closed(*session, watermark_us)) continue;
    set_->Results(table, Accumulators(table, entry), arena, results);
    table.FreeChunksOf(entry);
    table.Erase(entry, 1);
    return true;
  }
  return false;
}

bool SessionState::empty(const Blob& blob) const {
  return blob.empty() || Load<uint32_t>(blob.data()) == 0;
}

int64_t SessionState::NextClose(Blob* blob) const {
  Table table(&layout_, blob);
  int64_t earliest = std::numeric_limits<int64_t>::max();
  for (uint32_t entry = 0; entry < table.size(); ++entry) {
    earliest = std::min(earliest, At(table, entry).last_us);
  }
  return earliest + gap_us_ + 1;
}

absl::Status SessionState::Check(Blob* blob) const {
  Table table(&layout_, blob);
  if (absl::Status status = table.Check(); !status.ok()) return status;
  const absl::Status broken = absl::DataLossError("the state is broken: its sessions");
  constexpr int64_t kEnd = int64_t{1} << 60;
  if (table.size() > kMaxOpen) return broken;
  for (uint32_t entry = 0; entry < table.size(); ++entry) {
    const Session session = At(table, entry);
    if (session.first_us <= -kEnd || session.last_us >= kEnd) return broken;
    if (session.first_us > session.last_us) return broken;
    if (entry > 0 && At(table, entry - 1).first_us > session.first_us) return broken;
    absl::Status status = set_->CheckAll(table, Accumulators(table, entry));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

uint64_t SessionState::MaxBytes() const {
  return Table::MaxBytes(layout_, kMaxOpen, set_->max_chunk_bytes());
}

}  // namespace levada::aggregate
