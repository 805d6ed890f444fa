#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record/record.h"
#include "services/scoring/state/table.h"

// The tables that a stage joins with: compacted topics, each kept whole, the newest value of a key.
//
//   Tables tables;
//   size_t customers = tables.Add("customers");
//   tables.Update(customers, batch);
//   std::optional<std::string_view> row = tables.Find(customers, "C1");   // a JSON object
//
// A row is valid until the next Update. Threads: one at a time.
namespace levada::scoring {

class Tables {
 public:
  // The same number for the same topic.
  size_t Add(std::string_view topic);
  const std::vector<std::string>& topics() const { return topics_; }

  // A record whose value is no JSON object deletes the row, as one without a value does, and is
  // counted.
  void Update(size_t table, const Batch& records);
  std::optional<std::string_view> Find(size_t table, std::string_view key) const;
  void Reset();

  uint64_t rejected() const { return rejected_; }
  size_t rows() const;
  size_t bytes() const;

 private:
  Slab slab_;
  std::vector<std::string> topics_;
  std::deque<StateTable> tables_;
  uint64_t rejected_ = 0;
};

}  // namespace levada::scoring
