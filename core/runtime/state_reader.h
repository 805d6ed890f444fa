#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/kafka/log_reader.h"
#include "core/runtime/stateful.h"

// Brings a Stateful to where it was: reads the changelog of partitions that come here, and the
// tables, and then follows the tables. In steps, so that the loop goes on serving the group.
//
//   StateReader reader(kafka, state, input);
//   reader.Open();  reader.Add(3);            // from OnAssigned
//   while (reader.busy()) reader.Step(50ms);  // no event is processed meanwhile
//   reader.Follow();                          // before each batch
//
// Status codes as kafka::LogReader's. kFailedPrecondition: the changelog has other partitions than
// the input. Threads: one.
namespace levada::runtime {

class StateReader {
 public:
  // `input`: the topic that is read; its partitions are those of the changelog.
  StateReader(const kafka::ClientConfig& kafka, Stateful& state, std::string input)
      : kafka_(kafka), state_(state), input_(std::move(input)) {}

  absl::Status Open();
  // A partition comes: its state is read before anything else of it.
  absl::Status Add(int32_t partition);
  void Remove(int32_t partition);

  // Something is still to be read before events may be processed.
  bool busy() const { return !restoring_.empty() || !tables_loaded_; }
  // For people: what, and how much is left.
  std::string Progress() const;
  absl::Status Step(std::chrono::milliseconds timeout);
  // Takes what has been written to the tables, and looks now and then whether the input has grown.
  absl::Status Follow();

 private:
  absl::Status StepChangelog(std::chrono::milliseconds timeout);
  absl::Status OpenTables();
  absl::Status CheckPartitions(std::chrono::milliseconds timeout);

  const kafka::ClientConfig& kafka_;
  Stateful& state_;
  const std::string input_;
  std::unique_ptr<kafka::LogReader> changelog_;
  int changelog_partitions_ = 0;
  std::chrono::steady_clock::time_point checked_at_;
  std::set<int32_t> restoring_;
  std::vector<std::unique_ptr<kafka::LogReader>> tables_;
  bool tables_loaded_ = false;
  uint64_t read_ = 0;
};

}  // namespace levada::runtime
