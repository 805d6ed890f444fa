#pragma once

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/record/record.h"

// A file with a partition's state: the entries that its changelog had at some offset.
//
//   file   = "levstate" version:u32 header_size:u32 header check:u64 block* end
//   header = offset:i64 taken_ms:i64 life_at:i64 partition:u32 life_size:u32 life topic
//   block  = size:u32 entry* check:u64              size: of the entries, not 0
//   entry  = key_size:u32 value_size:u32 key value  both as the changelog's record has them
//   end    = 0:u32 entries:u64 check:u64
//
// Numbers are little-endian. A check is a hash of what stands before it, seeded with the part's
// number, so that parts that are damaged, missing or in another order are found.
//
//   auto writer = SnapshotWriter::Open("0.snapshot", header);
//   (*writer)->Append(entries);      // of AppendEntry
//   (*writer)->Finish();             // only now it has its name
//
//   auto reader = SnapshotReader::Open("0.snapshot");
//   while (auto batch = (*reader)->Next(); batch.ok() && !batch->empty()) Restore(*batch);
//
// Threads: one at a time.
namespace levada::runtime {

struct SnapshotHeader {
  std::string topic;  // the changelog
  int32_t partition = 0;
  // Entries of the snapshot, then the changelog from this offset on: that is the partition's state.
  int64_t offset = 0;
  int64_t taken_ms = 0;  // by the clock on the wall, not later than it was begun
  // What tells this life of the changelog from one under the same name before or after: a record
  // with this value, the first from that offset on (state_reader.h).
  std::string life;
  int64_t life_at = 0;
};

// Appends an entry to a block.
void AppendEntry(std::string_view key, std::string_view value, std::string* block);

class SnapshotWriter {
 public:
  // Writes beside `path`. kUnavailable: the folder or the disk does not take it.
  static absl::StatusOr<std::unique_ptr<SnapshotWriter>> Open(const std::string& path,
                                                              const SnapshotHeader& header);
  // What is not finished is removed.
  ~SnapshotWriter();

  absl::Status Append(std::string_view entries, uint64_t count);
  // It is on the disk, under its name, in place of what was there.
  absl::Status Finish();
  uint64_t entries() const { return entries_; }

 private:
  SnapshotWriter(std::string path, int file) : path_(std::move(path)), file_(file) {}
  absl::Status Write(std::string_view bytes);

  const std::string path_;
  int file_;
  uint64_t part_ = 0;
  uint64_t entries_ = 0;
};

class SnapshotReader {
 public:
  // kNotFound: there is no such file. kDataLoss: it is damaged. kUnimplemented: of another version.
  static absl::StatusOr<std::unique_ptr<SnapshotReader>> Open(const std::string& path);

  const SnapshotHeader& header() const { return header_; }
  // The next entries, as records of the changelog; empty behind the last ones. A file that is
  // damaged further on is found then.
  absl::StatusOr<Batch> Next();
  uint64_t entries() const { return entries_; }  // so far

 private:
  SnapshotReader() = default;
  absl::Status ReadHeader();
  // Exactly so many bytes.
  bool Read(size_t size, std::string* bytes);

  std::ifstream in_;
  SnapshotHeader header_;
  uint64_t left_ = 0;  // bytes of the file
  uint64_t part_ = 0;
  uint64_t entries_ = 0;
  bool ended_ = false;
};

}  // namespace levada::runtime
