#include "services/scoring/state/walk.h"

#include "services/scoring/state/log_key.h"

namespace levada::scoring {

bool PartitionWalk::Next(size_t bytes, const Visit& visit) {
  std::unique_lock<std::mutex> lock;
  if (mutex_ != nullptr) lock = std::unique_lock(*mutex_);
  size_t visited = 0;
  while (step_ < step_ids_.size()) {
    if (visited >= bytes) return true;
    if (!WalkStep(visit, &visited)) {
      ++step_;
      in_bucket_ = false;
    }
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
