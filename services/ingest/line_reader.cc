#include "services/ingest/line_reader.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/strings.h"

namespace levada::ingest {

// buffer_:  ... returned ... | the line so far | not searched yet
//                            ^ begin_          ^ searched_
// While cutting_, the line's kept beginning is [begin_, begin_ + kKeptBytes) and everything behind
// it is dropped as soon as it was searched.

LineReader::LineReader(size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

void LineReader::Start(int fd, int64_t offset) {
  fd_ = fd;
  buffer_.clear();
  begin_ = searched_ = 0;
  line_begin_ = read_at_ = offset;
  cutting_ = false;
}

absl::StatusOr<bool> LineReader::Next(Line* line) {
  for (;;) {
    const void* const found =
        std::memchr(buffer_.data() + searched_, '\n', buffer_.size() - searched_);
    if (found != nullptr) {
      const size_t feed = static_cast<size_t>(static_cast<const char*>(found) - buffer_.data());
      const int64_t end = read_at_ - static_cast<int64_t>(buffer_.size() - feed) + 1;
      const size_t text = cutting_ ? std::min(kKeptBytes, feed - begin_) : feed - begin_;
      Take(text, end - 1 - line_begin_, end, line);
      begin_ = searched_ = feed + 1;
      return true;
    }
    searched_ = buffer_.size();
    if (!cutting_ && searched_ - begin_ > max_line_bytes_) cutting_ = true;
    if (cutting_) {
      const size_t kept = std::min(kKeptBytes, searched_ - begin_);
      buffer_.resize(begin_ + kept);
      searched_ = buffer_.size();
    }
    absl::StatusOr<bool> more = Fill();
    if (!more.ok() || !*more) return more;
  }
}

bool LineReader::Rest(Line* line) {
  if (begin_ == buffer_.size()) return false;
  Take(buffer_.size() - begin_, read_at_ - line_begin_, read_at_, line);
  begin_ = searched_ = buffer_.size();
  return true;
}

// Reads a chunk behind what is there; false at the end of the file.
absl::StatusOr<bool> LineReader::Fill() {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
  }
  const size_t had = buffer_.size();
  buffer_.resize(had + kChunkBytes);
  ssize_t got;
  do {
    got = pread(fd_, buffer_.data() + had, kChunkBytes, read_at_);
  } while (got < 0 && errno == EINTR);
  buffer_.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return absl::UnavailableError(base::StrCat("reading the file: ", strerror(errno)));
  read_at_ += got;
  return got > 0;
}

void LineReader::Take(size_t text_bytes, int64_t size, int64_t end, Line* line) {
  line->text = std::string_view(buffer_).substr(begin_, text_bytes);
  line->offset = line_begin_;
  line->end = end;
  line->size = size;
  line->cut = cutting_ || size > static_cast<int64_t>(max_line_bytes_);
  if (line->cut) line->text = line->text.substr(0, kKeptBytes);
  cutting_ = false;
  line_begin_ = end;
}

}  // namespace levada::ingest
