#include "services/scoring/state/walk.h"

#include "services/scoring/state/log_key.h"

namespace levada::scoring {

PartitionWalk::PartitionWalk(Partition* partition, std::vector<uint32_t> step_ids, Store store,
                             std::mutex* mutex)
    : partition_(partition),
      step_ids_(std::move(step_ids)),
      mutex_(mutex),
      store_(std::move(store)) {
  partition_->walk = this;
  const std::string prefix = StateMemory::PrefixOf(*partition_);
  if (store_ != nullptr) on_disk_ = store_->Scan(prefix, "");
}

PartitionWalk::PartitionWalk(std::unique_ptr<Partition> partition, std::vector<uint32_t> step_ids,
                             Store store)
    : PartitionWalk(partition.get(), std::move(step_ids), std::move(store), nullptr) {
  owned_ = std::move(partition);
}

PartitionWalk::~PartitionWalk() {
  partition_->walk = nullptr;
  on_disk_.reset();
  if (owned_ != nullptr && store_ != nullptr) store_->RemoveAll(StateMemory::PrefixOf(*owned_));
}

void PartitionWalk::Spills(size_t step, int64_t bucket, const StateTable& table,
                           const StateTable::Entry& entry) {
  const bool in_bucket = step == step_ && in_bucket_ && bucket == bucket_;
  const bool visited = step < step_ || (step == step_ && in_bucket_ && bucket < bucket_) ||
                       (in_bucket && table.Walked(cursor_, entry));
  if (visited) return;
  WriteLogKey({step_ids_[step], bucket, entry.key()}, &key_);
  left_.emplace_back(key_, entry.value());
}

void PartitionWalk::VisitSpilled(size_t bytes, const Visit& visit, size_t* visited) {
  const size_t head = StateMemory::PrefixOf(*partition_).size();
  for (; on_disk_->valid() && *visited < bytes; on_disk_->Next()) {
    key_.assign(1, kLogVersion).append(on_disk_->key().substr(head));
    visit(key_, on_disk_->value());
    *visited += key_.size() + on_disk_->value().size();
  }
}

absl::StatusOr<bool> PartitionWalk::Next(size_t bytes, const Visit& visit) {
  std::unique_lock<std::mutex> lock;
  if (mutex_ != nullptr) lock = std::unique_lock(*mutex_);
  size_t visited = 0;
  for (const auto& [key, value] : left_) {
    visit(key, value);
    visited += key.size() + value.size();
  }
  left_.clear();
  while (step_ < step_ids_.size()) {
    if (visited >= bytes) return true;
    if (!WalkStep(visit, &visited)) {
      ++step_;
      in_bucket_ = false;
    }
  }
  if (on_disk_ != nullptr) {
    VisitSpilled(bytes, visit, &visited);
    if (on_disk_->valid()) return true;
    if (absl::Status status = on_disk_->status(); !status.ok()) return status;
  }
  VisitClocks(visit);
  return false;
}

bool PartitionWalk::WalkStep(const Visit& visit, size_t* visited) {
  auto& tables = partition_->steps[step_]->tables();
  auto bucket = in_bucket_ ? tables.lower_bound(bucket_) : tables.begin();
  if (bucket == tables.end()) return false;
  if (!in_bucket_ || bucket->first != bucket_) cursor_ = 0;
  in_bucket_ = true;
  bucket_ = bucket->first;
  cursor_ = bucket->second.Walk(cursor_, [&](const StateTable::Entry& entry) {
    WriteLogKey({step_ids_[step_], bucket_, entry.key()}, &key_);
    visit(key_, entry.value());
    *visited += key_.size() + entry.size();
  });
  *visited += sizeof(void*);  // a place without entries takes time, too
  if (cursor_ != 0) return true;
  if (++bucket == tables.end()) return false;
  bucket_ = bucket->first;
  return true;
}

void PartitionWalk::VisitClocks(const Visit& visit) {
  partition_->ForEachLoggedClock([&](int64_t bucket, std::string_view key, std::string_view value) {
    WriteLogKey({kClocks, bucket, key}, &key_);
    visit(key_, value);
  });
}

}  // namespace levada::scoring
