#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/runtime/stateful.h"
#include "services/scoring/state/state.h"

namespace levada::scoring {

// Goes over a partition's tables, bucket by bucket, then over what was on disk when it began, and
// its clocks. Buckets and keys may come and go between the calls; those that are there all the
// while are visited.
class PartitionWalk : public runtime::StateWalk {
 public:
  using Store = std::shared_ptr<SpillStore>;

  // Of a partition that stays where it is; under `mutex`.
  PartitionWalk(Partition* partition, std::vector<uint32_t> step_ids, Store store,
                std::mutex* mutex);
  // Of one that is nobody else's. What is on disk of it goes with the walk.
  PartitionWalk(std::unique_ptr<Partition> partition, std::vector<uint32_t> step_ids, Store store);
  ~PartitionWalk() override;

  absl::StatusOr<bool> Next(size_t bytes, const Visit& visit) override;

  // An entry leaves memory, where it would have been visited.
  void Spills(size_t step, int64_t bucket, const StateTable& table, const StateTable::Entry& entry);

 private:
  void VisitSpilled(size_t bytes, const Visit& visit, size_t* visited);
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
  std::vector<std::pair<std::string, std::string>> left_;  // as Spills told
  Store store_;
  std::unique_ptr<SpillStore::Cursor> on_disk_;
  std::string key_;
};

}  // namespace levada::scoring
