#include "services/archiving/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/base/strings.h"

namespace levada::archiving {
namespace {

constexpr size_t kWriteStep = 256 << 10;

bool CanBeMended(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case EMFILE:
    case ENFILE:
    case ESTALE:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::Status ErrnoStatus(int error, std::string_view path) {
  const std::string text = base::StrCat(path, ": ", std::strerror(error));
  return CanBeMended(error) ? absl::UnavailableError(text) : absl::InternalError(text);
}

absl::Status MakeFolders(const std::string& path) {
  struct stat entry;
  if (stat(path.c_str(), &entry) == 0 && S_ISDIR(entry.st_mode)) return absl::OkStatus();
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty() && parent != path) {
    if (absl::Status status = MakeFolders(parent); !status.ok()) return status;
  }
  if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return ErrnoStatus(errno, path);
  return parent.empty() ? absl::OkStatus() : SyncFolder(parent);
}

absl::Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, path);
  // Some file systems cannot sync folders: they keep the order by other means.
  const int error = fsync(fd) != 0 && errno != EINVAL && errno != EBADF ? errno : 0;
  close(fd);
  return error == 0 ? absl::OkStatus() : ErrnoStatus(error, path);
}

absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, path);
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return errno == ENOENT ? absl::NotFoundError(path) : ErrnoStatus(errno, path);
  }
  std::string text;
  char chunk[16 << 10];
  for (;;) {
    const ssize_t n = read(fd, chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      close(fd);
      return ErrnoStatus(error, path);
    }
    if (n == 0) break;
    text.append(chunk, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

absl::StatusOr<std::unique_ptr<TempFile>> TempFile::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return ErrnoStatus(errno, path);
  return std::unique_ptr<TempFile>(new TempFile(path, fd));
}

TempFile::~TempFile() {
  if (fd_ >= 0) close(fd_);
}

void TempFile::Append(std::string_view bytes) {
  waiting_.append(bytes);
  if (waiting_.size() >= kWriteStep && !stalled()) WriteOut();
}

void TempFile::WriteOut() {
  error_ = absl::OkStatus();
  size_t done = 0;
  while (done < waiting_.size()) {
    const ssize_t n = write(fd_, waiting_.data() + done, waiting_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      error_ = ErrnoStatus(errno, path_);
      break;
    }
    done += static_cast<size_t>(n);
  }
  written_ += done;
  waiting_.erase(0, done);
}

absl::Status TempFile::Sync() {
  if (fd_ < 0) return absl::OkStatus();
  WriteOut();
  if (!error_.ok()) return error_;
  if (fsync(fd_) != 0) {
    // What the failed fsync has dropped, a second one would not bring back.
    const int error = errno;
    return absl::AbortedError(base::StrCat(path_, ": ", std::strerror(error)));
  }
  close(fd_);
  fd_ = -1;
  return absl::OkStatus();
}

}  // namespace levada::archiving
