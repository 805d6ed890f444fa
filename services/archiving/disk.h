#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Files that survive a crash, as far as the archive needs them. Errors: what somebody can mend
// while the stage waits (no space, no right, a volume that is read-only or not mounted) is
// kUnavailable; the rest is kInternal. "path: reason".
namespace levada::archiving {

absl::Status ErrnoStatus(int error, std::string_view path);

// Creates the folder and those above it; what was created is on disk when it returns.
absl::Status MakeFolders(const std::string& path);
// Puts the entries of a folder on disk.
absl::Status SyncFolder(const std::string& path);
// Removes a file; one that is not there is fine.
absl::Status RemoveFile(const std::string& path);
absl::StatusOr<std::string> ReadWhole(const std::string& path);

// A file that is written from its start to its end.
//
// Append never fails and never waits for space: what the disk does not take stays in memory and is
// tried again, so that rows that a writer has taken are not lost to a full disk. Sync says what is
// wrong. The owner watches `stalled` and stops adding.
//
// Not thread-safe.
class TempFile {
 public:
  // The file must not exist.
  static absl::StatusOr<std::unique_ptr<TempFile>> Create(const std::string& path);
  ~TempFile();
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;

  void Append(std::string_view bytes);
  // All that was appended is on disk, and the file is closed. kUnavailable: call it again.
  // kAborted: the disk has lost some of it; the file is of no use.
  absl::Status Sync();

  const std::string& path() const { return path_; }
  uint64_t size() const { return written_ + waiting_.size(); }
  bool stalled() const { return !error_.ok(); }

 private:
  TempFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  void WriteOut();

  const std::string path_;
  int fd_;
  std::string waiting_;  // not yet written
  uint64_t written_ = 0;
  absl::Status error_;  // of the last write
};

}  // namespace levada::archiving
