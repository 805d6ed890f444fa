#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/runtime/stateful.h"
#include "services/scoring/state/state.h"

namespace levada::scoring {

// Goes over a partition's tables, bucket by bucket, and then its clocks. Buckets and keys may come
// and go between the calls; those that are there all the while are visited.
class PartitionWalk : public runtime::StateWalk {
 public:
  // Of a partition that stays where it is; under `mutex`.
  PartitionWalk(Partition* partition, std::vector<uint32_t> step_ids, std::mutex* mutex)
      : partition_(partition), step_ids_(std::move(step_ids)), mutex_(mutex) {}
  // Of one that is nobody else's.
  PartitionWalk(std::unique_ptr<Partition> partition, std::vector<uint32_t> step_ids)
      : owned_(std::move(partition)), partition_(owned_.get()), step_ids_(std::move(step_ids)) {}

  bool Next(size_t bytes, const Visit& visit) override;

 private:
  // Some of the step that it is at; false: those were its last.
  bool WalkStep(const Visit& visit, size_t* visited);
  void VisitClocks(const Visit& visit);

  std::unique_ptr<Partition> owned_;
  Partition* const partition_;
  const std::vector<uint32_t> step_ids_;
  std::mutex* const mutex_ = nullptr;
  // Where it is.
  size_t step_ = 0;
  bool in_bucket_ = false;
  int64_t bucket_ = 0;
  uint64_t cursor_ = 0;
  std::string key_;
};

}  // namespace levada::scoring
