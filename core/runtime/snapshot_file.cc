#include "core/runtime/snapshot_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/base/hash.h"
#include "core/base/strings.h"

namespace levada::runtime {
namespace {

constexpr std::string_view kMagic = "levstate";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kMaxHeader = 64 << 10;
// A slice, and the largest entry at its end.
constexpr uint32_t kMaxBlock = 64 << 20;
constexpr size_t kEntryHead = 2 * sizeof(uint32_t);

template <typename T>
void Put(T number, std::string* out) {
  out->append(reinterpret_cast<const char*>(&number), sizeof number);
}

// Takes a number from the front; there must be so many bytes.
template <typename T>
T Take(std::string_view* bytes) {
  T number;
  std::memcpy(&number, bytes->data(), sizeof number);
  bytes->remove_prefix(sizeof number);
  return number;
}

absl::Status Failed(std::string_view what, const std::string& path) {
  return absl::UnavailableError(base::StrCat("cannot ", what, " ", path, ": ", strerror(errno)));
}

// The memory that a block's records are views of.
class Block : public BatchOwner {
 public:
  explicit Block(std::string bytes) : bytes(std::move(bytes)) {}
  void ReadHeaders(const Record&, std::vector<Header>*) const override {}
  const std::string bytes;
};

}  // namespace

void AppendEntry(std::string_view key, std::string_view value, std::string* block) {
  Put(static_cast<uint32_t>(key.size()), block);
  Put(static_cast<uint32_t>(value.size()), block);
  block->append(key);
  block->append(value);
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotWriter::Open(const std::string& path,
                                                                     const SnapshotHeader& header) {
  const std::string draft = path + ".new";
  const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return Failed("write", draft);
  std::unique_ptr<SnapshotWriter> writer(new SnapshotWriter(path, file));
  std::string fields;
  Put(header.offset, &fields);
  Put(header.taken_ms, &fields);
  Put(header.life_at, &fields);
  Put(header.partition, &fields);
  Put(static_cast<uint32_t>(header.life.size()), &fields);
  base::StrAppend(&fields, header.life, header.topic);
  std::string bytes(kMagic);
  Put(kVersion, &bytes);
  Put(static_cast<uint32_t>(fields.size()), &bytes);
  bytes += fields;
  Put(base::HashBytes(fields, writer->part_++), &bytes);
  if (absl::Status status = writer->Write(bytes); !status.ok()) return status;
  return writer;
}

SnapshotWriter::~SnapshotWriter() {
  if (file_ < 0) return;
  close(file_);
  unlink((path_ + ".new").c_str());
}

absl::Status SnapshotWriter::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("write", path_);
    bytes.remove_prefix(written);
  }
  return absl::OkStatus();
}

absl::Status SnapshotWriter::Append(std::string_view entries, uint64_t count) {
  if (entries.empty()) return absl::OkStatus();
  if (entries.size() > kMaxBlock) return absl::InternalError("too large a block of a snapshot");
  std::string size;
  Put(static_cast<uint32_t>(entries.size()), &size);
  std::string check;
  Put(base::HashBytes(entries, part_++), &check);
  entries_ += count;
  for (const std::string_view bytes : {std::string_view(size), entries, std::string_view(check)}) {
    if (absl::Status status = Write(bytes); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SnapshotWriter::Finish() {
  std::string end;
  Put(uint32_t{0}, &end);
  Put(entries_, &end);
  Put(base::HashBytes(end, part_), &end);
  if (absl::Status status = Write(end); !status.ok()) return status;
  if (fsync(file_) != 0) return Failed("write", path_);
  if (rename((path_ + ".new").c_str(), path_.c_str()) != 0) return Failed("write", path_);
  close(std::exchange(file_, -1));
  const std::string folder = std::filesystem::path(path_).parent_path();
  const int opened = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return Failed("open", folder);
  const bool synced = fsync(opened) == 0;
  close(opened);
  return synced ? absl::OkStatus() : Failed("write", folder);
}

absl::StatusOr<std::unique_ptr<SnapshotReader>> SnapshotReader::Open(const std::string& path) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) return absl::NotFoundError(base::StrCat("no ", path));
  std::unique_ptr<SnapshotReader> reader(new SnapshotReader);
  reader->in_.open(path, std::ios::binary);
  reader->left_ = size;
  if (absl::Status status = reader->ReadHeader(); !status.ok()) return status;
  return reader;
}

bool SnapshotReader::Read(size_t size, std::string* bytes) {
  if (size > left_) return false;
  bytes->resize(size);
  in_.read(bytes->data(), static_cast<std::streamsize>(size));
  left_ -= size;
  return in_.good();
}

absl::Status SnapshotReader::ReadHeader() {
  const absl::Status damaged = absl::DataLossError("its head is damaged");
  std::string bytes;
  if (!Read(kMagic.size() + 2 * sizeof(uint32_t), &bytes)) return damaged;
  if (!bytes.starts_with(kMagic)) return absl::DataLossError("it is no snapshot");
  std::string_view rest = std::string_view(bytes).substr(kMagic.size());
  if (const auto version = Take<uint32_t>(&rest); version != kVersion) {
    return absl::UnimplementedError(base::StrCat("it is of version ", version));
  }
  const auto size = Take<uint32_t>(&rest);
  constexpr size_t kFixed = 3 * sizeof(int64_t) + 2 * sizeof(uint32_t);
  if (size < kFixed || size > kMaxHeader) return damaged;
  if (!Read(size + sizeof(uint64_t), &bytes)) return damaged;
  rest = bytes;
  const std::string_view fields = rest.substr(0, size);
  rest.remove_prefix(size);
  if (Take<uint64_t>(&rest) != base::HashBytes(fields, part_++)) return damaged;
  rest = fields;
  header_.offset = Take<int64_t>(&rest);
  header_.taken_ms = Take<int64_t>(&rest);
  header_.life_at = Take<int64_t>(&rest);
  header_.partition = Take<int32_t>(&rest);
  const auto life_size = Take<uint32_t>(&rest);
  if (life_size > rest.size()) return damaged;
  header_.life = rest.substr(0, life_size);
  header_.topic = rest.substr(life_size);
  return absl::OkStatus();
}

absl::StatusOr<Batch> SnapshotReader::Next() {
  const absl::Status damaged =
      absl::DataLossError(base::StrCat("it is damaged behind ", entries_, " entries"));
  if (ended_) return Batch();
  std::string bytes;
  if (!Read(sizeof(uint32_t), &bytes)) return damaged;
  std::string_view rest = bytes;
  const auto size = Take<uint32_t>(&rest);
  if (size == 0) {
    std::string end;
    if (left_ != 2 * sizeof(uint64_t) || !Read(left_, &end)) return damaged;
    bytes += end;
    rest = std::string_view(bytes).substr(sizeof(uint32_t));
    const bool whole = Take<uint64_t>(&rest) == entries_;
    const std::string_view checked =
        std::string_view(bytes).substr(0, bytes.size() - sizeof(uint64_t));
    if (Take<uint64_t>(&rest) != base::HashBytes(checked, part_) || !whole) return damaged;
    ended_ = true;
    return Batch();
  }
  if (size > kMaxBlock || !Read(size + sizeof(uint64_t), &bytes)) return damaged;
  const auto block = std::make_shared<Block>(std::move(bytes));
  rest = std::string_view(block->bytes).substr(size);
  std::string_view entries = std::string_view(block->bytes).substr(0, size);
  if (Take<uint64_t>(&rest) != base::HashBytes(entries, part_++)) return damaged;
  std::vector<Record> records;
  while (!entries.empty()) {
    if (entries.size() < kEntryHead) return damaged;
    const auto key_size = Take<uint32_t>(&entries);
    const auto value_size = Take<uint32_t>(&entries);
    if (uint64_t{key_size} + value_size > entries.size()) return damaged;
    Record& record = records.emplace_back();
    record.key = entries.substr(0, key_size);
    record.has_key = true;
    record.value = entries.substr(key_size, value_size);
    record.partition = header_.partition;
    entries.remove_prefix(key_size + value_size);
  }
  entries_ += records.size();
  return Batch(header_.topic, std::move(records), block);
}

}  // namespace levada::runtime
