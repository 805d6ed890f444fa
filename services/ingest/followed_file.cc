#include "services/ingest/followed_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/log.h"
#include "core/base/strings.h"

namespace levada::ingest {

FollowedFile::FollowedFile(const Options& options)
    : options_(options), reader_(options.max_line_bytes) {}

FollowedFile::~FollowedFile() { Close(); }

void FollowedFile::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::Status FollowedFile::Open(const Position& from) {
  finished_ = elsewhere_ = false;
  const absl::Status status = Begin(options_.path, from);
  if (status.ok() || (absl::IsNotFound(status) && from.offset == 0)) {
    return options_.follow && absl::IsNotFound(status) ? absl::OkStatus() : status;
  }
  if (!absl::IsNotFound(status) && !absl::IsOutOfRange(status)) return status;
  if (const auto rotated = FindRotated(options_.path, from)) {
    base::LogInfo("the file was rotated while it was not read: reading its rest first",
                  {{"path", options_.path}, {"rotated", *rotated}, {"offset", from.offset}});
    if (Begin(*rotated, from).ok()) {
      elsewhere_ = true;
      leave_at_ = Clock::now();
      return absl::OkStatus();
    }
  }
  if (absl::IsNotFound(status)) return options_.follow ? absl::OkStatus() : status;
  base::LogWarn("the file is not the one that was read before: reading it from its beginning",
                {{"path", options_.path}, {"offset", from.offset}});
  return Begin(options_.path, Position{});
}

// kOutOfRange: the file is there but does not match.
absl::Status FollowedFile::Begin(const std::string& path, const Position& from) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const std::string text = base::StrCat(path, ": ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(text) : absl::UnavailableError(text);
  }
  struct stat state {};
  if (fstat(fd, &state) != 0 || !S_ISREG(state.st_mode)) {
    close(fd);
    return absl::InvalidArgumentError(base::StrCat(path, " is not a regular file"));
  }
  if (!Matches(fd, from)) {
    close(fd);
    return absl::OutOfRangeError(base::StrCat(path, " is another file"));
  }
  Close();
  fd_ = fd;
  offset_ = from.offset;
  end_ = from;
  reader_.Start(fd_, from.offset);
  return absl::OkStatus();
}

absl::StatusOr<bool> FollowedFile::Next(Line* line) {
  if (finished_) return false;
  if (fd_ < 0) {
    const absl::Status status = Begin(options_.path, Position{});
    if (absl::IsNotFound(status) && options_.follow) return false;
    if (!status.ok()) return status;
  }
  if (options_.follow && !elsewhere_ && Rewritten()) {
    base::LogWarn("the file was truncated: reading it from its beginning",
                  {{"path", options_.path}, {"offset", offset_}});
    const absl::Status status = Begin(options_.path, Position{});
    if (!status.ok()) return status;
  }
  absl::StatusOr<bool> got = reader_.Next(line);
  if (!got.ok()) return got;
  if (*got) {
    offset_ = line->end;
    return true;
  }
  return AtEnd(line);
}

absl::StatusOr<bool> FollowedFile::AtEnd(Line* line) {
  if (!elsewhere_ && !options_.follow) {
    if (TakeRest(line)) return true;
    finished_ = true;
    return false;
  }
  if (const auto end = PositionAt(fd_, offset_); end.ok()) end_ = *end;
  if (!elsewhere_) {
    if (!Rotated()) return false;
    elsewhere_ = true;
    leave_at_ = Clock::now() + options_.rotation_grace;
  }
  if (Clock::now() < leave_at_) return false;
  if (TakeRest(line)) return true;  // nobody will end it any more
  base::LogInfo("going on with the new file", {{"path", options_.path}});
  elsewhere_ = false;
  Close();
  return Next(line);
}

// Whether the path names another file than the one that is read. A file that is gone was not
// replaced yet.
bool FollowedFile::Rotated() const {
  struct stat named {};
  struct stat read {};
  return stat(options_.path.c_str(), &named) == 0 && fstat(fd_, &read) == 0 &&
         (named.st_ino != read.st_ino || named.st_dev != read.st_dev);
}

// Whether the file lost what was read of it, looked at when its size is not what it was at its end.
bool FollowedFile::Rewritten() {
  struct stat state {};
  if (end_.offset != offset_ || fstat(fd_, &state) != 0) return false;
  if (state.st_size < offset_) return true;
  return state.st_size != offset_ && !Matches(fd_, end_);
}

bool FollowedFile::TakeRest(Line* line) {
  if (!reader_.Rest(line)) return false;
  offset_ = line->end;
  return true;
}

absl::StatusOr<Position> FollowedFile::PositionNow() const {
  if (fd_ < 0) return Position{};
  return PositionAt(fd_, offset_);
}

}  // namespace levada::ingest
