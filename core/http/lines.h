#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/http/client.h"

// Lines out of bytes that come in pieces. A line ends with \n or \r\n; the last may do without.
//
//   LineSplitter lines(16 << 20);
//   while (Read(&piece)) if (lines.Add(piece, on_line) != LineSplitter::Result::kMore) break;
//   lines.End(on_line);
//
// Empty lines are left out. Not thread-safe.
namespace levada::http {

class LineSplitter {
 public:
  enum class Result { kMore, kStopped, kTooLong };

  explicit LineSplitter(size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  Result Add(std::string_view piece, const OnLine& on_line) {
    for (;;) {
      const size_t end = piece.find('\n');
      if (end == std::string_view::npos) break;
      std::string_view line = piece.substr(0, end);
      if (rest_.size() + line.size() > max_line_bytes_) return Result::kTooLong;
      piece.remove_prefix(end + 1);
      if (!rest_.empty()) {
        rest_.append(line);
        line = rest_;
      }
      const bool go_on = Give(line, on_line);
      rest_.clear();
      if (!go_on) return Result::kStopped;
    }
    if (rest_.size() + piece.size() > max_line_bytes_) return Result::kTooLong;
    rest_.append(piece);
    return Result::kMore;
  }

  void End(const OnLine& on_line) {
    Give(rest_, on_line);
    rest_.clear();
  }

 private:
  static bool Give(std::string_view line, const OnLine& on_line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line.empty() || on_line(line);
  }

  const size_t max_line_bytes_;
  std::string rest_;  // of a line whose end has not come yet
};

}  // namespace levada::http
