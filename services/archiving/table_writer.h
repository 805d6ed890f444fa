#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "levada/v1/pipeline.pb.h"
#include "services/archiving/commit_log.h"
#include "services/archiving/file_writer.h"

// The files that a worker is writing between two commits: one for each folder of event time that
// records belong to.
//
// Memory is bounded: of all rows that are held, those of the largest file are written out when
// there are more than kMaxBuffered bytes; beyond kMaxOpen files the one that was not written to for
// longest is completed. Files that are complete wait for the commit.
//
// Not thread-safe.
namespace levada::archiving {

class TableWriter {
 public:
  static constexpr size_t kMaxOpen = 32;
  static constexpr size_t kMaxBuffered = 16 << 20;

  // Files are created in the log's temp folder. `inferred`: the columns where the topic declares
  // none. All outlive the writer.
  TableWriter(const v1::Archiving& archiving, const Columns& declared, const Columns& inferred,
              const CommitLog& log);
  ~TableWriter();

  absl::Status Append(const Row& row);
  // Completes all files and puts them on disk. kUnavailable: call it again.
  absl::Status Finish();
  // The files that Finish has completed.
  std::vector<CommittedFile> files() const;
  // The commit has them: forgets all, keeps the files.
  void Release();
  // Forgets all and removes the files.
  void Discard();

  bool stalled() const;  // a disk does not take what it is given
  size_t open_files() const { return open_.size(); }
  size_t buffered() const { return buffered_; }

 private:
  struct Part {
    std::string path;  // final, below the table's folder
    std::string temp;  // below the table's folder
    std::unique_ptr<TempFile> file;
    std::unique_ptr<FileWriter> writer;
    uint64_t rows = 0;
    uint64_t last_used = 0;
  };

  // Hours since 1970, or days, or zero: the number of a record's folder.
  int64_t BucketOf(int64_t event_micros) const;
  std::string FolderOf(int64_t bucket) const;
  absl::StatusOr<Part*> PartFor(int64_t bucket);
  absl::Status Complete(int64_t bucket);
  absl::Status CompleteOldest();
  absl::Status WriteOutLargest();

  const v1::Archiving& archiving_;
  const Columns& declared_;
  const Columns& inferred_;
  const CommitLog& log_;
  uint64_t parts_made_ = 0;
  uint64_t clock_ = 0;
  size_t buffered_ = 0;
  std::map<int64_t, Part> open_;
  std::vector<Part> complete_;
};

}  // namespace levada::archiving
