#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/archiving/row.h"

// The log of a table in a folder: which files belong to it and how far each Kafka partition is in
// it. It makes "files and offsets together, or neither" out of rename and link, and lets several
// workers write one folder.
//
//   <folder>/date=2026-11-02/part-<owner>-<n>.parquet   what readers see: complete, committed files
//   <folder>/_levada/commits/00000000000000000123.json  commit 123: new files, offsets of all
//   <folder>/_levada/temp/<owner>/<n>.tmp               files being written, or committed just now
//   <folder>/_levada/leases/<owner>                     locked (flock) while its owner lives
//
// A commit is one file. It is written beside, put on disk, and linked to its number: of several
// writers one gets the number, the others see that it is taken. Its files are complete and on disk
// before, and get their final names after; whoever reads the log finishes that where a crash came
// between. So at every instant the folder is what some commit says, less files that a reader sees a
// moment later.
//
// A commit carries the offsets of all partitions forward, so that the newest one tells everything;
// the last 100 are kept.
//
// Format of a commit (JSON):
//   version     its number
//   owner       who wrote it
//   time        when
//   offsets     {"<table>": {"<partition>": {"epoch": …, "next": …, "mark": …}}}
//   columns     [{"name": …, "type": …}]: what inference has found so far
//   files       [{"path": final name, "temp": name before, "rows": …, "bytes": …}]
//
// Not thread-safe; any number of processes. The file system must have link, rename and flock
// (local ones and NFS 4 do).
namespace levada::archiving {

struct TableOffset {
  int64_t epoch = 0;  // the life of the topic that `next` counts in
  int64_t next = 0;   // first offset that is not in the table
  uint64_t mark = 0;  // hash of the record before it, to know the topic again

  bool operator==(const TableOffset&) const = default;
};

using TableOffsets = std::map<int32_t, TableOffset>;

struct CommittedFile {
  std::string path;  // below the folder
  std::string temp;  // below the folder
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

struct Commit {
  int64_t version = 0;
  std::string owner;
  std::string time;
  std::map<std::string, TableOffsets> offsets;  // by table: who reads what into this folder
  Columns columns;
  std::vector<CommittedFile> files;
};

std::string ToJson(const Commit& commit);
// InvalidArgument: not a commit.
absl::StatusOr<Commit> ParseCommit(std::string_view json);

class CommitLog {
 public:
  // Told before each step that changes the disk, by its name: where a test kills the process.
  using StepHook = std::function<void(std::string_view step)>;

  explicit CommitLog(std::string folder, StepHook hook = nullptr);
  ~CommitLog();

  // Makes the folders and a lease of our own. To be called before what follows.
  absl::Status Open();
  // Finishes what was committed and not yet renamed, and removes what dead owners left behind.
  absl::Status Recover();
  // The newest commit; version 0 where there is none.
  absl::StatusOr<Commit> Newest();

  // Writes commit.version; its files must be on disk. kAlreadyExists: the number is taken.
  // kDataLoss: it is written, but whether a crash of the machine leaves it is not known.
  absl::Status Create(const Commit& commit);
  // Gives the files of a commit their final names; those that have them are passed over.
  absl::Status Publish(const Commit& commit);
  // Forgets commits long before `newest`.
  void Prune(int64_t newest);

  const std::string& owner() const { return owner_; }
  // "_levada/temp/<owner>"
  std::string temp_folder() const;
  std::string FullPath(std::string_view below) const;

 private:
  absl::Status TakeLease();
  absl::StatusOr<std::vector<int64_t>> Versions() const;
  absl::StatusOr<Commit> Read(int64_t version) const;
  std::string PathOf(int64_t version) const;
  absl::Status PublishAll();
  // True: `owner` is dead, and we hold its lease's lock in *fd (-1 where it has none).
  bool TakeOver(const std::string& owner, int* fd) const;
  absl::Status RemoveLeftovers(const std::string& owner);
  void Step(std::string_view step) const;

  const std::string folder_;
  const StepHook hook_;
  std::string owner_;
  int lease_fd_ = -1;
  bool is_open_ = false;
};

}  // namespace levada::archiving
