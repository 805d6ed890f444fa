#include "core/runtime/snapshot_taker.h"

#include <algorithm>

#include "core/base/random.h"
#include "core/runtime/latency.h"

namespace levada::runtime {
namespace {

using std::chrono::milliseconds;

// What a slice holds: so that walking takes few percent of the time, and never long at once.
constexpr size_t kBytesPerMs = 8 << 10;
constexpr size_t kLeastSlice = 128 << 10;
constexpr size_t kLargestSlice = 2 << 20;
// The stream waits for the answer.
constexpr milliseconds kAskFor{500};

std::string NewLife() {
  std::string life;
  for (int i = 0; i < 2; ++i) {
    const uint64_t seed = base::RandomSeed();
    life.append(reinterpret_cast<const char*>(&seed), sizeof seed);
  }
  return life;
}

}  // namespace

void SnapshotTaker::BeforeCheckpoint(OutputBatch* changes) {
  for (auto& [partition, life] : reader_.lives()) {
    if (!life.value.empty()) continue;
    life.value = NewLife();
    OutputRecord record;
    record.key = kLifeKey;
    record.has_key = true;
    record.partition = partition;
    record.begin = OutputRecord::kBorrowed;
    record.borrowed = life.value;
    changes->records().push_back(record);
  }
}

void SnapshotTaker::Changed(const OutputBatch& changes) {
  for (const OutputRecord& record : changes.records()) {
    if (last_partition_ == record.partition) continue;
    last_partition_ = record.partition;
    changed_.insert(record.partition);
  }
}

void SnapshotTaker::AfterCheckpoint() {
  last_partition_ = -1;
  if (every_ == milliseconds(0)) return;
  TakeRestored();
  if (!walking_) Begin();
  if (walking_) WalkOn();
}

std::optional<SnapshotHeader> SnapshotTaker::HeaderFor(int32_t partition, milliseconds timeout) {
  const StateReader::Life* const life = reader_.life(partition);
  if (life == nullptr || life->value.empty()) return std::nullopt;
  SnapshotHeader header;
  header.topic = state_.changelog();
  header.partition = partition;
  header.taken_ms = NowMs();
  header.life = life->value;
  header.life_at = life->at;
  const auto end = reader_.End(partition, timeout);
  if (!end.ok()) return std::nullopt;
  header.offset = *end;
  return header;
}

// What was read for long is worth a snapshot, though nothing changes.
void SnapshotTaker::TakeRestored() {
  for (auto& [partition, life] : reader_.lives()) {
    if (std::exchange(life.behind, false)) changed_.insert(partition);
  }
}

bool SnapshotTaker::wants_last() {
  TakeRestored();
  return !changed_.empty() || walking_.has_value();
}

// The partition that is due for longest.
void SnapshotTaker::Begin() {
  const auto now = Clock::now();
  int32_t next = -1;
  for (const int32_t partition : changed_) {
    // The first ones are spread, too.
    const auto [due, is_new] = at_.try_emplace(partition, now + every_);
    if (is_new || due->second > now || reader_.life(partition) == nullptr) continue;
    if (next < 0 || due->second < at_[next]) next = partition;
  }
  if (next < 0) return;
  at_[next] = now + every_;
  auto header = HeaderFor(next, kAskFor);
  if (!header) return;
  auto walk = state_.Walk(next);
  if (walk == nullptr) return;
  changed_.erase(next);
  walking_ = {next, std::move(walk), snapshots_.Begin(*std::move(header)), false};
  walked_at_ = now;
}

void SnapshotTaker::WalkOn() {
  if (walking_->walked || walking_->draft->busy()) return;
  const auto now = Clock::now();
  const auto passed = std::chrono::duration_cast<milliseconds>(now - walked_at_).count();
  walked_at_ = now;
  const size_t bytes =
      std::clamp(static_cast<size_t>(passed) * kBytesPerMs, kLeastSlice, kLargestSlice);
  std::string entries;
  uint64_t count = 0;
  const auto more = walking_->walk->Next(bytes, [&](std::string_view key, std::string_view value) {
    AppendEntry(key, value, &entries);
    ++count;
  });
  // The session will not go on for long.
  if (!more.ok()) return walking_.reset();
  walking_->draft->Append(std::move(entries), count);
  walking_->walked = !*more;
}

void SnapshotTaker::Committed() {
  if (!walking_ || !walking_->walked) return;
  walking_->draft->Finish();
  walking_.reset();
}

void SnapshotTaker::BeforeLast(int32_t partition) {
  if (!changed_.contains(partition) && !(walking_ && walking_->partition == partition)) return;
  if (auto header = HeaderFor(partition, kAskFor)) last_[partition] = *std::move(header);
}

void SnapshotTaker::Release(int32_t partition) {
  const auto last = last_.extract(partition);
  Forget(partition);
  if (last.empty()) return state_.Release(partition);
  auto walk = state_.Detach(partition);
  if (walk != nullptr) snapshots_.Write(last.mapped(), std::move(walk));
}

void SnapshotTaker::Forget(int32_t partition) {
  if (walking_ && walking_->partition == partition) walking_.reset();
  changed_.erase(partition);
  at_.erase(partition);
  last_.erase(partition);
}

}  // namespace levada::runtime
