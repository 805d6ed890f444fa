#include "services/ingest/position.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "absl/strings/str_format.h"
#include "core/base/hash.h"
#include "core/base/strings.h"
#include "core/json/scan.h"

namespace levada::ingest {
namespace {

absl::StatusOr<uint64_t> HashOf(int fd, int64_t begin, int64_t size) {
  std::string bytes(static_cast<size_t>(size), '\0');
  size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t n =
        pread(fd, bytes.data() + got, bytes.size() - got, begin + static_cast<int64_t>(got));
    if (n < 0) return absl::UnavailableError("cannot read the file");
    if (n == 0) return absl::OutOfRangeError("the file is shorter than what was read of it");
    got += static_cast<size_t>(n);
  }
  return base::HashBytes(bytes);
}

template <typename Number>
bool Parse(std::string_view text, int base, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, base);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string Encode(const Position& position) {
  return absl::StrFormat(R"({"offset":%d,"head":"%016x","tail":"%016x"})", position.offset,
                         position.head, position.tail);
}

absl::StatusOr<Position> DecodePosition(std::string_view json) {
  json::Value whole;
  Position position;
  if (json::ScanValue(json, &whole).ok() && whole.kind == json::Kind::kObject &&
      Parse(json::FindMember(whole.raw, "offset").raw, 10, &position.offset) &&
      Parse(json::FindMember(whole.raw, "head").raw, 16, &position.head) &&
      Parse(json::FindMember(whole.raw, "tail").raw, 16, &position.tail)) {
    return position;
  }
  return absl::InvalidArgumentError(base::StrCat("not a position: ", json));
}

absl::StatusOr<Position> PositionAt(int fd, int64_t offset) {
  const int64_t window = std::min(offset, Position::kWindow);
  const auto head = HashOf(fd, 0, window);
  if (!head.ok()) return head.status();
  const auto tail = HashOf(fd, offset - window, window);
  if (!tail.ok()) return tail.status();
  return Position{.offset = offset, .head = *head, .tail = *tail};
}

bool Matches(int fd, const Position& position) {
  const auto now = PositionAt(fd, position.offset);
  return now.ok() && (position.offset == 0 || *now == position);
}

std::optional<std::string> FindRotated(const std::string& path, const Position& position) {
  namespace fs = std::filesystem;
  const fs::path own(path);
  const std::string name = own.filename().string();
  std::error_code error;
  fs::directory_iterator folder(own.has_parent_path() ? own.parent_path() : fs::path("."), error);
  for (; !error && folder != fs::directory_iterator(); folder.increment(error)) {
    const std::string other = folder->path().filename().string();
    if (other == name || !other.starts_with(name) || !folder->is_regular_file(error)) continue;
    const int fd = open(folder->path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    const bool matches = Matches(fd, position);
    close(fd);
    if (matches) return folder->path().string();
  }
  return std::nullopt;
}

}  // namespace levada::ingest
