#include "services/archiving/table_writer.h"

#include <algorithm>
#include <cstdio>

#include "core/base/strings.h"
#include "core/base/time.h"

namespace levada::archiving {
namespace {

constexpr int64_t kMicrosPerHour = 3600 * base::kMicrosPerSecond;

int64_t FloorDivide(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace

TableWriter::TableWriter(const v1::Archiving& archiving, const Columns& declared,
                         const Columns& inferred, const CommitLog& log)
    : archiving_(archiving), declared_(declared), inferred_(inferred), log_(log) {}

TableWriter::~TableWriter() { Discard(); }

int64_t TableWriter::BucketOf(int64_t event_micros) const {
  const int64_t micros = std::clamp(event_micros, base::kMinMicros, base::kMaxMicros);
  switch (archiving_.partition_by()) {
    case v1::PARTITION_BY_NONE:
      return 0;
    case v1::PARTITION_BY_HOUR:
      return FloorDivide(micros, kMicrosPerHour);
    default:
      return FloorDivide(micros, base::kMicrosPerDay);
  }
}

std::string TableWriter::FolderOf(int64_t bucket) const {
  if (archiving_.partition_by() == v1::PARTITION_BY_NONE) return "";
  const bool by_hour = archiving_.partition_by() == v1::PARTITION_BY_HOUR;
  const int64_t day = by_hour ? FloorDivide(bucket, 24) : bucket;
  std::string folder = base::StrCat("date=", base::FormatDate(static_cast<int32_t>(day)), "/");
  if (by_hour) {
    char hour[16];
    std::snprintf(hour, sizeof hour, "hour=%02d/", static_cast<int>(bucket - day * 24));
    folder += hour;
  }
  return folder;
}

absl::StatusOr<TableWriter::Part*> TableWriter::PartFor(int64_t bucket) {
  const auto found = open_.find(bucket);
  if (found != open_.end()) return &found->second;
  if (open_.size() >= kMaxOpen) {
    if (absl::Status completed = CompleteOldest(); !completed.ok()) return completed;
  }
  const uint64_t number = ++parts_made_;
  const bool parquet = archiving_.has_parquet();
  Part part;
  part.temp = base::StrCat(log_.temp_folder(), "/", number, ".tmp");
  part.path = base::StrCat(FolderOf(bucket), "part-", log_.owner(), "-", number,
                           parquet ? ".parquet" : NdjsonSuffix(archiving_.ndjson().compression()));
  auto file = TempFile::Create(log_.FullPath(part.temp));
  if (!file.ok()) return file.status();
  part.file = *std::move(file);
  part.writer = !parquet ? MakeNdjsonWriter(archiving_.ndjson().compression(), part.file.get())
                : declared_.empty() ? MakeInferringWriter(&inferred_, part.file.get())
                                    : MakeParquetWriter(declared_, part.file.get());
  return &(open_[bucket] = std::move(part));
}

absl::Status TableWriter::Append(const Row& row) {
  auto part = PartFor(BucketOf(row.event_micros));
  if (!part.ok()) return part.status();
  buffered_ -= (*part)->writer->buffered();
  const absl::Status added = (*part)->writer->Append(row);
  buffered_ += (*part)->writer->buffered();
  if (!added.ok()) return added;
  ++(*part)->rows;
  (*part)->last_used = ++clock_;
  return buffered_ > kMaxBuffered ? WriteOutLargest() : absl::OkStatus();
}

absl::Status TableWriter::WriteOutLargest() {
  const auto largest = std::max_element(open_.begin(), open_.end(), [](auto& a, auto& b) {
    return a.second.writer->buffered() < b.second.writer->buffered();
  });
  FileWriter& writer = *largest->second.writer;
  if (!writer.can_write_out()) return Complete(largest->first);
  buffered_ -= writer.buffered();
  const absl::Status written = writer.WriteOut();
  buffered_ += writer.buffered();
  return written;
}

absl::Status TableWriter::CompleteOldest() {
  const auto oldest = std::min_element(open_.begin(), open_.end(), [](auto& a, auto& b) {
    return a.second.last_used < b.second.last_used;
  });
  return Complete(oldest->first);
}

absl::Status TableWriter::Complete(int64_t bucket) {
  Part& part = open_.at(bucket);
  buffered_ -= part.writer->buffered();
  if (absl::Status finished = part.writer->Finish(); !finished.ok()) return finished;
  part.writer.reset();
  complete_.push_back(std::move(part));
  open_.erase(bucket);
  return absl::OkStatus();
}

absl::Status TableWriter::Finish() {
  while (!open_.empty()) {
    if (absl::Status done = Complete(open_.begin()->first); !done.ok()) return done;
  }
  for (Part& part : complete_) {
    if (absl::Status synced = part.file->Sync(); !synced.ok()) return synced;
  }
  return complete_.empty() ? absl::OkStatus() : SyncFolder(log_.FullPath(log_.temp_folder()));
}

std::vector<CommittedFile> TableWriter::files() const {
  std::vector<CommittedFile> files;
  for (const Part& part : complete_) {
    files.push_back({part.path, part.temp, part.rows, part.file->size()});
  }
  return files;
}

void TableWriter::Release() {
  open_.clear();
  complete_.clear();
  buffered_ = 0;
}

void TableWriter::Discard() {
  for (auto& [bucket, part] : open_) (void)RemoveFile(part.file->path());
  for (Part& part : complete_) (void)RemoveFile(part.file->path());
  Release();
}

bool TableWriter::stalled() const {
  const auto is_stalled = [](const Part& part) { return part.file->stalled(); };
  return std::any_of(complete_.begin(), complete_.end(), is_stalled) ||
         std::any_of(open_.begin(), open_.end(),
                     [&](const auto& entry) { return is_stalled(entry.second); });
}

}  // namespace levada::archiving
