#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/ingest/line_reader.h"
#include "services/ingest/position.h"

// The lines of a file by its name, over restarts, growth, rotation and truncation.
//
//   FollowedFile file({.path = "/var/log/tx.ndjson", .follow = true, .max_line_bytes = 1 << 20});
//   file.Open(last_position);
//   Line line;
//   while (*file.Next(&line)) { Use(line); }    // false: nothing for now; finished(): for good
//   Save(*file.PositionNow());
//
// What happens to the file, and what is done:
//   grows                    its new lines are returned; one without a line feed waits for it (when
//                            following; else it counts)
//   is renamed, a new one    the old one is read to its end, then for `rotation_grace` longer,
//   since takes its name           its writer may not know yet; then the new one is begun is
//   renamed meanwhile     (while nobody was reading) it is found by its content in its folder is
//   truncated, rewritten  begun anew is gone                  waited for (when following), else
//   kNotFound
//
// Threads: one.
namespace levada::ingest {

class FollowedFile {
 public:
  struct Options {
    std::string path;
    bool follow = false;
    size_t max_line_bytes = 1 << 20;
    std::chrono::milliseconds rotation_grace{5000};
  };

  explicit FollowedFile(const Options& options);
  ~FollowedFile();
  FollowedFile(const FollowedFile&) = delete;
  FollowedFile& operator=(const FollowedFile&) = delete;

  absl::Status Open(const Position& from);
  absl::StatusOr<bool> Next(Line* line);
  bool finished() const { return finished_; }
  // Behind the last line that Next returned.
  absl::StatusOr<Position> PositionNow() const;

 private:
  using Clock = std::chrono::steady_clock;

  absl::Status Begin(const std::string& path, const Position& from);
  void Close();
  absl::StatusOr<bool> AtEnd(Line* line);
  bool Rotated() const;
  bool Rewritten();
  bool TakeRest(Line* line);

  const Options options_;
  LineReader reader_;
  int fd_ = -1;
  int64_t offset_ = 0;          // behind the last returned line
  Position end_;                // where the end was when it was last reached
  bool elsewhere_ = false;      // fd_ is not what the path names now
  Clock::time_point leave_at_;  // with elsewhere_: when the new file is begun
  bool finished_ = false;
};

}  // namespace levada::ingest
