#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/producer.h"
#include "core/runtime/dead_letters.h"
#include "core/runtime/stage.h"
#include "services/ingest/line_reader.h"
#include "services/ingest/position.h"
#include "services/ingest/validator.h"

// What a file stage writes to Kafka: events, dead letters and how far it got, in one transaction.
// The position is a record of the stage's positions topic (compacted, key: the file's path).
//
// The transactional id belongs to the stage: whoever opens last fences the one before, whose open
// transaction is gone and who cannot commit any more.
//
// Threads: one.
namespace levada::ingest {

class FileLog {
 public:
  static absl::StatusOr<std::unique_ptr<FileLog>> Open(const runtime::StageContext& context,
                                                       const std::string& path);

  // The position that was committed last; offset 0 where there is none.
  absl::StatusOr<Position> Load();

  // The largest event that the topic takes.
  int64_t max_event_bytes() const { return max_event_bytes_; }

  absl::Status Write(const Event& event);
  absl::Status WriteDead(const Line& line, std::string_view error);
  // Records written since the last Commit.
  size_t pending_records() const { return records_; }
  size_t pending_bytes() const { return bytes_; }
  absl::Status Commit(const Position& position);

 private:
  FileLog(const runtime::StageContext& context, const std::string& path,
          std::unique_ptr<kafka::Producer> producer, const std::vector<int64_t>& limits);

  absl::Status Begin();

  const runtime::StageContext& context_;
  const std::string path_;
  const std::string positions_name_;
  std::unique_ptr<kafka::Producer> producer_;
  runtime::DeadLetterWriter dead_letters_;
  int topic_ = 0;
  int positions_ = 0;
  const int64_t max_event_bytes_;
  bool begun_ = false;
  size_t records_ = 0;
  size_t bytes_ = 0;
};

}  // namespace levada::ingest
