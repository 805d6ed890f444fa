#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Lines of a file that may be growing, in bounded memory.
//
//   LineReader reader(1 << 20);
//   reader.Start(fd, offset);
//   Line line;
//   while (*reader.Next(&line)) Use(line);     // false: no whole line for now
//   if (reader.Rest(&line)) Use(line);          // what stands behind the last line feed
//
// Of a line that is longer than the limit only the first kKeptBytes are kept; the rest is read
// over.
//
// Threads: one.
namespace levada::ingest {

struct Line {
  std::string_view text;  // without the line feed; valid until the next call
  int64_t offset = 0;     // of its first byte in the file
  int64_t end = 0;        // of the first byte behind it and its line feed
  bool cut = false;       // longer than the limit: `text` is only its beginning
  int64_t size = 0;       // of the whole line, without the line feed
};

class LineReader {
 public:
  static constexpr size_t kKeptBytes = 64 << 10;

  explicit LineReader(size_t max_line_bytes);

  // Reads `fd` from `offset` on; the descriptor stays the caller's.
  void Start(int fd, int64_t offset);
  // False at the present end of the file; later calls go on from there.
  absl::StatusOr<bool> Next(Line* line);
  // The line without a line feed at the end, once Next said false. False where there is none.
  bool Rest(Line* line);
  // Offset of the first byte that Next has read and not returned yet.
  int64_t offset() const { return line_begin_; }

 private:
  static constexpr size_t kChunkBytes = 256 << 10;

  absl::StatusOr<bool> Fill();
  void Take(size_t text_bytes, int64_t size, int64_t end, Line* line);

  const size_t max_line_bytes_;
  int fd_ = -1;
  std::string buffer_;
  size_t begin_ = 0;     // of the line in buffer_
  size_t searched_ = 0;  // up to here buffer_ holds no line feed
  int64_t line_begin_ = 0;
  int64_t read_at_ = 0;   // file offset of the end of buffer_
  bool cutting_ = false;  // the line is too long: buffer_ holds its beginning only
};

}  // namespace levada::ingest
