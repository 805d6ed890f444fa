#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/runtime/stage.h"
#include "services/archiving/commit_log.h"
#include "services/archiving/probe.h"
#include "services/archiving/row.h"
#include "services/archiving/table_writer.h"

// The sink of an archiving stage: each record of the topic is in the table's files exactly once.
//
// Files and offsets are one commit (commit_log.h), so Kafka's own committed offsets do not matter:
// Assign says where the table ends and reading goes on there. A commit is made only while the
// table's offsets of our partitions are still those that we started from; a worker that lost its
// partitions without knowing it is stopped by that.
//
// A topic that was created again is a new life of its partitions: told by the epoch, by an end
// before our offset, or, where Kafka has forgotten the group, by a first record that is not the one
// that the table ends with. Its records are read from its start.
//
// Not thread-safe.
namespace levada::archiving {

class Archiver : public runtime::Sink {
 public:
  // `context` and `topic` outlive the archiver.
  Archiver(const runtime::StageContext& context, const v1::Topic& topic,
           CommitLog::StepHook hook = nullptr);
  ~Archiver() override;

  absl::Status Assign(std::vector<runtime::Assignment>* partitions) override;
  absl::Status Add(const Batch& batch, std::vector<DeadLetter>* dead_letters) override;
  bool Full() const override;
  std::chrono::steady_clock::time_point FlushAt() const override;
  absl::Status Flush(std::vector<Rejected>* rejected) override;
  void Discard() override;
  void Release(const std::vector<int32_t>& partitions) override;
  absl::Status Pipe(const Batch& batch, std::string* ndjson,
                    std::vector<DeadLetter>* dead_letters) override;

 private:
  struct Partition {
    TableOffset start;  // what the table has
    TableOffset begin;  // where reading began: `start`, or the start of a new life of the topic
    TableOffset now;    // what the table will have with the next commit
    // The next record is the last one of the table: it is compared with start.mark.
    bool verify = false;
  };

  void AssignOne(const TableOffset* recorded, runtime::Assignment* assignment);
  // False: the record is in the table already.
  absl::StatusOr<bool> Advance(const Record& record, std::string_view topic);
  absl::Status AddRecord(const Record& record, std::string* error);
  absl::Status CommitFiles();
  // The next commit: ours on top of `newest`. kAborted: it has other offsets than we started from.
  absl::StatusOr<Commit> NextCommit(const Commit& newest) const;
  std::string_view RollReason() const;
  void Start();

  const runtime::StageContext& context_;
  const v1::Topic& topic_;
  const v1::Archiving& archiving_;
  const uint64_t max_bytes_;
  const std::chrono::milliseconds max_age_;
  const Columns declared_;
  Columns inferred_;
  const std::string table_;  // our offsets' name in the commits
  RowReader reader_;
  CommitLog log_;
  TableWriter writer_;
  Probe probe_;
  Row row_;

  std::map<int32_t, Partition> partitions_;
  std::set<int32_t> reborn_;  // their first record was not the table's last
  std::optional<Commit> newest_;
  std::optional<Commit> unpublished_;  // committed, its files not yet renamed
  uint64_t rows_ = 0;                  // since the last commit
  uint64_t bytes_ = 0;                 // of records, since the last commit
  std::chrono::steady_clock::time_point first_added_;
  bool has_added_ = false;
};

// Of the stage in `context`. InvalidArgument: the manifest cannot be used.
absl::StatusOr<std::unique_ptr<runtime::Sink>> MakeArchiver(const runtime::StageContext& context);

}  // namespace levada::archiving
