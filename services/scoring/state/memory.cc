#include "services/scoring/state/memory.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/base/log.h"
#include "services/scoring/state/log_key.h"
#include "services/scoring/state/state.h"
#include "services/scoring/state/walk.h"

namespace levada::scoring {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kFirstBucket = std::numeric_limits<int64_t>::min();
// What is written to the store at once, and how many slots are looked at for it.
constexpr size_t kWriteBytes = 1 << 20;
constexpr size_t kLookAt = 4096;
constexpr std::chrono::seconds kRetryAfter{10};
constexpr std::chrono::minutes kTellAgainAfter{10};

size_t UsedBy(const StateMemory::Partitions& partitions) {
  size_t used = 0;
  for (const auto& [number, partition] : partitions) used += partition->slab.used();
  return used;
}

size_t SlotsOf(const StateMemory::Partitions& partitions) {
  size_t slots = 0;
  for (const auto& [number, partition] : partitions) {
    for (const auto& step : partition->steps) {
      for (const auto& [bucket, table] : step->tables()) slots += table.slots();
    }
  }
  return slots;
}

size_t ChangedBytes(const StateMemory::Partitions& partitions) {
  size_t bytes = 0;
  for (const auto& [number, partition] : partitions) {
    for (const auto& step : partition->steps) {
      for (const auto& [bucket, table] : step->tables()) bytes += table.changed_bytes();
    }
  }
  return bytes;
}

}  // namespace

// The table that the hand is at, and what of it is to be spilled.
struct StateMemory::Turn {
  Partition* partition = nullptr;
  size_t step = 0;
  int64_t bucket = 0;
  StateTable* table = nullptr;
  std::vector<StateTable::Entry*> cold;
  size_t bytes = 0;
};

void StateMemory::Set(size_t limit_bytes, Opener open) {
  limit_ = limit_bytes;
  open_ = std::move(open);
}

absl::Status StateMemory::KeepWithin(Partitions* partitions,
                                     const std::function<std::vector<uint32_t>()>& step_ids) {
  if (limit_ == 0) return absl::OkStatus();
  if (absl::Status failed = status(); !failed.ok()) return failed;
  const size_t used = UsedBy(*partitions);
  if (used <= limit_ || only_changed_ || Clock::now() < retry_at_ || !Open()) {
    return absl::OkStatus();
  }
  // Some at once, so that it is not done for each batch.
  only_changed_ = !SpillSome(partitions, step_ids(), used - limit_ + limit_ / 16);
  // Where it is not them that take the room, a commit would not help.
  crowded_ = only_changed_ && ChangedBytes(*partitions) > limit_ / 2;
  return status();
}

bool StateMemory::Open() {
  if (store_ != nullptr) return true;
  auto store = open_();
  if (!store.ok()) {
    Failed(store.status());
    return false;
  }
  store_ = *std::move(store);
  base::LogInfo("state goes to disk: there is more than memory may have",
                {{"limit_bytes", static_cast<uint64_t>(limit_)}});
  return true;
}

void StateMemory::Failed(const absl::Status& status) {
  ++failures_;
  const auto now = Clock::now();
  retry_at_ = now + kRetryAfter;
  if (failing_ && now < tell_again_at_) return;
  failing_ = true;
  tell_again_at_ = now + kTellAgainAfter;
  base::LogError(
      "state stays in memory beyond its bound: the disk takes nothing. Make room there, or give "
      "more state.memory or a larger disk; it is tried again every ten seconds",
      {{"reason", status.message()}, {"limit_bytes", static_cast<uint64_t>(limit_)}});
}

// False: what is left was changed since the last checkpoint.
bool StateMemory::SpillSome(Partitions* partitions, const std::vector<uint32_t>& ids, size_t goal) {
  const size_t begin = UsedBy(*partitions);
  // Twice round: an entry may be passed over once.
  const size_t look_at = 2 * SlotsOf(*partitions) + kLookAt;
  for (size_t looked = 0; looked < look_at;) {
    const size_t used = UsedBy(*partitions);
    if (used + goal <= begin) return true;
    Turn turn;
    if (!NextTable(partitions, &turn)) return false;
    Look(&turn, used + goal - begin);
    // The store takes nothing: it is tried again later.
    if (!turn.cold.empty() && !Put(&turn, ids)) return true;
    looked += std::min(kLookAt, turn.table->slots() + 1);
  }
  return false;
}

// In the order of partitions, steps and buckets, and round.
bool StateMemory::NextTable(Partitions* partitions, Turn* turn) {
  for (int round = 0; round < 2; ++round) {
    for (auto it = partitions->lower_bound(hand_.partition); it != partitions->end(); ++it) {
      if (it->first != hand_.partition) hand_ = {it->first, 0, kFirstBucket};
      for (; hand_.step < it->second->steps.size(); ++hand_.step, hand_.bucket = kFirstBucket) {
        auto& tables = it->second->steps[hand_.step]->tables();
        const auto table = tables.lower_bound(hand_.bucket);
        if (table == tables.end()) continue;
        hand_.bucket = table->first;
        turn->partition = it->second.get();
        turn->step = hand_.step;
        turn->bucket = table->first;
        turn->table = &table->second;
        return true;
      }
    }
    hand_ = {-1, 0, kFirstBucket};
  }
  return false;
}

void StateMemory::Look(Turn* turn, size_t wanted) {
  const bool round = turn->table->Cold(kLookAt, [&](StateTable::Entry* entry) {
    if (turn->bytes >= std::min(wanted, kWriteBytes)) return;
    turn->cold.push_back(entry);
    turn->bytes += entry->memory();
  });
  if (!round) return;
  hand_.bucket < std::numeric_limits<int64_t>::max() ? ++hand_.bucket : ++hand_.partition;
}

bool StateMemory::Put(Turn* turn, const std::vector<uint32_t>& ids) {
  std::string log_key;
  WriteLogKey({ids[turn->step], turn->bucket, {}}, &log_key);
  const std::string prefix = PrefixOf(*turn->partition) + log_key.substr(1);
  std::vector<SpillStore::Item> items;
  for (const StateTable::Entry* entry : turn->cold) {
    items.push_back({base::StrCat(prefix, entry->key()), entry->value()});
  }
  if (absl::Status status = store_->Put(items); !status.ok()) {
    Failed(status);
    return false;
  }
  if (std::exchange(failing_, false)) base::LogInfo("the disk takes state again");
  spilled_ += items.size();
  PartitionWalk* const walk = turn->partition->walk;
  for (StateTable::Entry* const entry : turn->cold) {
    if (walk != nullptr) walk->Spills(turn->step, turn->bucket, *turn->table, *entry);
    turn->table->Spilled(entry, store_.get(), prefix);
  }
  return true;
}

std::string StateMemory::PrefixOf(const Partition& partition) {
  std::string prefix;
  PutBigEndian(partition.assignment, sizeof partition.assignment, &prefix);
  return prefix;
}

void StateMemory::Forget(const Partition& partition) {
  if (store_ != nullptr) store_->RemoveAll(PrefixOf(partition));
}

void StateMemory::Reset() {
  if (store_ != nullptr) read_back_ += store_->taken();
  store_.reset();
  Cleaned();
}

StateMemory::Counts StateMemory::CountsOf(const Partitions& partitions) const {
  Counts counts;
  counts.spilled = spilled_;
  counts.read_back = read_back_ + (store_ == nullptr ? 0 : store_->taken());
  counts.failures = failures_;
  for (const auto& [number, partition] : partitions) {
    for (const auto& step : partition->steps) {
      for (const auto& [bucket, table] : step->tables()) {
        counts.keys += table.spilled_keys();
        counts.bytes += table.spilled_bytes();
      }
    }
  }
  return counts;
}

}  // namespace levada::scoring
