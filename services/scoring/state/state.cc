#include "services/scoring/state/state.h"

#include <openssl/evp.h>

#include <algorithm>

#include "services/scoring/state/log_key.h"
#include "services/scoring/state/walk.h"

namespace levada::scoring {
namespace {

constexpr size_t kChangesAtOnce = 2000;

uint32_t IdOf(std::string_view name, std::string_view layout) {
  const std::string text = base::StrCat(name, "\n", layout);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  const auto id =
      static_cast<uint32_t>(BigEndian({reinterpret_cast<const char*>(digest), sizeof(uint32_t)}));
  return id == kClocks ? 1 : id;
}

// Records of the changelog.
class Changes {
 public:
  Changes(OutputBatch* batch, StageState::FlushChanges flush) : batch_(batch), flush_(flush) {}

  // The value stays as it is until it is produced, which is before the next event.
  void Put(int32_t partition, const LogKey& key, std::string_view value) {
    WriteLogKey(key, &key_);
    Add(partition, key_, &value);
  }
  void Forget(int32_t partition, const LogKey& key) {
    WriteLogKey(key, &key_);
    Add(partition, key_, nullptr);
  }
  void ForgetRaw(int32_t partition, std::string_view key) { Add(partition, key, nullptr); }

 private:
  void Add(int32_t partition, std::string_view key, const std::string_view* value) {
    OutputRecord record;
    record.key = batch_->KeepKey(key);
    record.has_key = true;
    record.has_value = value != nullptr;
    record.partition = partition;
    record.begin = OutputRecord::kBorrowed;
    if (value != nullptr) record.borrowed = *value;
    batch_->records().push_back(record);
    if (batch_->records().size() >= kChangesAtOnce) flush_(batch_);
  }

  OutputBatch* batch_;
  StageState::FlushChanges flush_;
  std::string key_;
};

}  // namespace

StateTable& StepState::table(int64_t bucket) {
  return tables_.try_emplace(bucket, slab_).first->second;
}

void StepState::Drop(int64_t bucket) {
  const auto found = tables_.find(bucket);
  if (found == tables_.end()) return;
  found->second.Clear(forgotten(bucket));
  tables_.erase(found);
}

absl::StatusOr<int> StageState::AddStep(std::string_view name, std::string_view layout,
                                        Factory make) {
  const uint32_t id = IdOf(name, layout);
  const int index = static_cast<int>(steps_.size());
  if (!by_id_.try_emplace(id, index).second) {
    return absl::InvalidArgumentError(
        base::StrCat("the step's name ", name, " is taken; give it another by `name`"));
  }
  steps_.push_back({id, std::string(name), std::move(make)});
  return index;
}

void StageState::Assign(int32_t number, int32_t of) {
  input_partitions_ = of;
  auto partition = std::make_unique<Partition>();
  partition->number = number;
  partition->assignment = ++assignments_;
  partition->clocks.resize(segments_);
  for (const StepInfo& step : steps_) partition->steps.push_back(step.make(&partition->slab));
  last_ = nullptr;
  partitions_[number] = std::move(partition);
}

void StageState::Release(int32_t number) {
  last_ = nullptr;
  orphan_keys_.erase(number);
  const auto taken = partitions_.extract(number);
  if (!taken.empty()) memory_.Forget(*taken.mapped());
}

std::unique_ptr<runtime::StateWalk> StageState::Walk(int32_t number) {
  Partition* const partition = Find(number);
  if (partition == nullptr || !partition->restored) return nullptr;
  return std::make_unique<PartitionWalk>(partition, step_ids(), memory_.store(), &mutex);
}

std::unique_ptr<runtime::StateWalk> StageState::Detach(int32_t number) {
  const Partition* const partition = Find(number);
  if (partition == nullptr || !partition->restored) {
    Release(number);
    return nullptr;
  }
  auto taken = partitions_.extract(number);
  Release(number);
  return std::make_unique<PartitionWalk>(std::move(taken.mapped()), step_ids(), memory_.store());
}

absl::Status StageState::KeepWithin() {
  return memory_.KeepWithin(&partitions_, [this] { return step_ids(); });
}

std::vector<uint32_t> StageState::step_ids() const {
  std::vector<uint32_t> ids;
  for (const StepInfo& step : steps_) ids.push_back(step.id);
  return ids;
}

void StageState::Restored(int32_t number) {
  Partition* const partition = Find(number);
  if (partition == nullptr) return;
  for (const auto& step : partition->steps) step->Restored();
  partition->restored = true;
}

Partition* StageState::FindSlowly(int32_t number) {
  const auto found = partitions_.find(number);
  if (found == partitions_.end()) return nullptr;
  return last_ = found->second.get();
}

void StageState::Reset() {
  last_ = nullptr;
  partitions_.clear();
  orphan_keys_.clear();
  memory_.Reset();
}

absl::Status StageState::Restore(const Batch& records) {
  memory_.Cleaned();
  for (const Record& record : records.records()) {
    if (absl::Status status = RestoreOne(record); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status StageState::RestoreOne(const Record& record) {
  Partition* const partition = Find(record.partition);
  if (partition == nullptr) return absl::OkStatus();
  LogKey log_key;
  if (!ReadLogKey(record.key, &log_key)) {
    return absl::DataLossError(base::StrCat("partition ", record.partition, ", offset ",
                                            record.offset,
                                            " of the changelog was not written by this version"));
  }
  const auto [id, bucket, key] = log_key;
  if (id == kClocks) {
    if (bucket == 0 && !key.empty()) {
      partition->sources.Restore(key, record.value);
    } else if (bucket >= 0 && bucket < segments_ && record.value.size() == sizeof(int64_t)) {
      Partition::Clock& clock = partition->clocks[bucket];
      std::memcpy(&clock.newest_us, record.value.data(), sizeof clock.newest_us);
      clock.logged_us = clock.newest_us;
    }
    return absl::OkStatus();
  }
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) {
    if (record.has_value) {
      ++orphans_;
      orphan_keys_[record.partition].emplace(record.key);
    }
    return absl::OkStatus();
  }
  StepState& step = *partition->steps[found->second];
  if (!record.has_value) {
    StateTable& table = step.table(bucket);
    StateTable::Entry* const entry = table.Find(key, StateTable::Hash(key));
    if (entry != nullptr) table.Erase(entry, nullptr);
    if (bucket != 0 && table.size() == 0) step.tables_.erase(bucket);
    return absl::OkStatus();
  }
  if (!step.Valid(record.value)) {
    return absl::DataLossError(base::StrCat("partition ", record.partition, ", offset ",
                                            record.offset, " of the changelog is no state of step ",
                                            steps_[found->second].name));
  }
  step.table(bucket).Restore(key, record.value);
  return absl::OkStatus();
}

void StageState::Checkpoint(OutputBatch* changes, FlushChanges flush) {
  Changes log(changes, flush);
  for (auto& [number, partition] : partitions_) {
    for (size_t i = 0; i < steps_.size(); ++i) {
      StepState& step = *partition->steps[i];
      const uint32_t id = steps_[i].id;
      step.BeforeCheckpoint();
      // First: a key may have come back since.
      for (const auto& [bucket, keys] : step.forgotten_) {
        for (const std::string& key : keys) log.Forget(number, {id, bucket, key});
      }
      step.forgotten_.clear();
      for (auto& [bucket, table] : step.tables_) {
        table.TakeChanged([&, bucket = bucket](const StateTable::Entry& entry) {
          log.Put(number, {id, bucket, entry.key()}, entry.value());
        });
      }
    }
    for (size_t i = 0; i < partition->clocks.size(); ++i) {
      Partition::Clock& clock = partition->clocks[i];
      if (clock.newest_us == clock.logged_us) continue;
      clock.logged_us = clock.newest_us;
      const std::string_view value(reinterpret_cast<const char*>(&clock.logged_us),
                                   sizeof clock.logged_us);
      log.Put(number, {kClocks, static_cast<int64_t>(i), ""}, value);
    }
    partition->sources.TakeChanged([&](std::string_view key, const std::string& value) {
      log.Put(number, {kClocks, 0, key}, changes->KeepKey(value));
    });
    for (const std::string& key : orphan_keys_[number]) log.ForgetRaw(number, key);
  }
  orphan_keys_.clear();
  memory_.Cleaned();
}

size_t StageState::bytes() const {
  size_t bytes = 0;
  for (const auto& [number, partition] : partitions_) {
    bytes += partition->slab.used();
  }
  return bytes;
}

size_t StageState::keys() const {
  size_t keys = 0;
  for (const auto& [number, partition] : partitions_) {
    for (const auto& step : partition->steps) {
      for (const auto& [bucket, table] : step->tables_) keys += table.size();
    }
  }
  return keys;
}

}  // namespace levada::scoring
