#include "cli/target/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace levada::cli {
namespace {

constexpr size_t kBlock = 64 << 10;

}  // namespace

LogFile::~LogFile() { Close(); }

void LogFile::Close() {
  if (file_ >= 0) close(file_);
  file_ = -1;
}

bool LogFile::Open() {
  struct stat named {};
  if (stat(path_.c_str(), &named) != 0) return file_ >= 0;  // what is open may have more
  if (file_ >= 0 && named.st_ino == inode_ && named.st_size >= at_) return true;
  Close();
  file_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) return false;
  inode_ = named.st_ino;
  at_ = first_ ? TailBegin(named.st_size) : 0;
  rest_.clear();
  return true;
}

off_t LogFile::TailBegin(off_t size) const {
  if (tail_ < 0) return 0;
  char block[kBlock];
  int breaks = 0;
  for (off_t end = size; end > 0;) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(kBlock));
    const ssize_t count = pread(file_, block, static_cast<size_t>(end - begin), begin);
    if (count <= 0) return 0;
    for (ssize_t i = count - 1; i >= 0; --i) {
      // The one that ends the last line is not between two.
      if (block[i] == '\n' && begin + i + 1 < size && ++breaks == tail_) return begin + i + 1;
    }
    end = begin;
  }
  return tail_ == 0 ? size : 0;
}

void LogFile::Read(const std::function<void(std::string_view line)>& each) {
  if (!Open()) return;
  first_ = false;
  char block[kBlock];
  for (ssize_t count; (count = pread(file_, block, kBlock, at_)) > 0;) {
    at_ += count;
    rest_.append(block, static_cast<size_t>(count));
    size_t begin = 0;
    for (size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      each(std::string_view(rest_).substr(begin, end - begin));
    }
    rest_.erase(0, begin);
  }
}

}  // namespace levada::cli
