#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/kafka/log_reader.h"
#include "core/runtime/snapshots.h"
#include "core/runtime/stateful.h"

// Brings a Stateful to where it was: reads the changelog of partitions that come here, and the
// tables, and then follows the tables. In steps, so that the loop goes on serving the group.
//
//   StateReader reader(kafka, state, input, snapshots);
//   reader.Open();  reader.Add(3);            // from OnAssigned
//   while (reader.busy()) reader.Step(50ms);  // no event is processed meanwhile
//   reader.Follow();                          // before each batch
//
// Where there is a snapshot of a partition, only what the changelog has from its offset on is read
// of Kafka:
//
//   prove ─► load ─► read ─► restored
//     └── no, or damaged ──► read from the beginning
//
// Proof that the snapshot is of this life of the topic: each partition has one record of its own
// that says which life it is, by a random value. It is never written again, so it is never
// compacted away, and the first record from `Life::at` on.
//
// Status codes as kafka::LogReader's. kFailedPrecondition: the changelog has other partitions than
// the input. Threads: one.
namespace levada::runtime {

// The key of that record. State of older versions is read past it: their step 0 has the clocks, by
// a number that is not negative, and this is its number -1.
inline constexpr std::string_view kLifeKey{"\x01\0\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 13};

class StateReader {
 public:
  // `input`: the topic that is read; its partitions are those of the changelog. `snapshots`: null
  // for none.
  StateReader(const kafka::ClientConfig& kafka, Stateful& state, std::string input,
              Snapshots* snapshots)
      : kafka_(kafka), state_(state), input_(std::move(input)), snapshots_(snapshots) {}

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

  // What a restored partition's changelog is known by. Without a record of its life `value` is
  // empty, and `at` the offset at which the next record would be one.
  struct Life {
    std::string value;
    int64_t at = 0;
    bool behind = false;  // more was read of the changelog than of a snapshot
  };
  // Null: the partition is not restored.
  const Life* life(int32_t partition) const;
  std::map<int32_t, Life>& lives() { return lives_; }
  // The offset behind all that is decided in a partition of the changelog now.
  absl::StatusOr<int64_t> End(int32_t partition, std::chrono::milliseconds timeout);

 private:
  enum class Phase { kProve, kLoad, kRead };
  struct Restoring {
    Phase phase = Phase::kRead;
    std::unique_ptr<SnapshotReader> snapshot;
    Life life;
    uint64_t from_changelog = 0;
  };

  absl::Status StepChangelog(std::chrono::milliseconds timeout);
  // Whether the changelog may still be the one that the snapshot is of.
  bool Reaches(int32_t partition, const SnapshotHeader& header);
  absl::Status Prove(int32_t partition, Restoring& restoring, const Batch& batch);
  absl::Status Load(int32_t partition, Restoring& restoring);
  absl::Status ReadAll(int32_t partition, Restoring& restoring, std::string_view reason);
  absl::Status TakeRecords(Batch batch);
  void Restored(int32_t partition, const Restoring& restoring);
  absl::Status OpenTables();
  absl::Status CountInput();
  absl::Status CheckPartitions(std::chrono::milliseconds timeout);

  const kafka::ClientConfig& kafka_;
  Stateful& state_;
  const std::string input_;
  Snapshots* const snapshots_;
  std::unique_ptr<kafka::LogReader> changelog_;
  int changelog_partitions_ = 0;
  int input_partitions_ = 0;  // where there is no changelog
  std::chrono::steady_clock::time_point checked_at_;
  std::map<int32_t, Restoring> restoring_;
  std::map<int32_t, Life> lives_;  // of restored partitions
  std::vector<std::unique_ptr<kafka::LogReader>> tables_;
  bool tables_loaded_ = false;
  uint64_t read_ = 0;
};

}  // namespace levada::runtime
