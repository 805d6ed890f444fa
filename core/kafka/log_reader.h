#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/client.h"
#include "core/record/record.h"

// Reads partitions of a compacted topic, from their beginning or an offset, and goes on with what
// is written there: the changelog of a worker's state, or a table.
//
//   auto log = LogReader::Open(config, "levada.default.fraud.detect.changelog");
//   (*log)->Add(3);
//   while (!(*log)->caught_up()) Apply(*(*log)->Poll(1000, 50ms));
//
// Only what is committed is read. The end is the one behind transactions that were open when the
// reader first came to them: whoever is the only writer from now on has then seen everything.
//
// Threads: one.
namespace levada::kafka {

class LogReader {
 public:
  static absl::StatusOr<std::unique_ptr<LogReader>> Open(const ClientConfig& config,
                                                         const std::string& topic);
  virtual ~LogReader() = default;

  // Of this topic or another one. kNotFound: no such topic (yet).
  virtual absl::StatusOr<int> CountPartitions(const std::string& topic,
                                              std::chrono::milliseconds timeout) = 0;
  // From an offset on, by default from the beginning.
  virtual absl::Status Add(int32_t partition, int64_t offset = 0) = 0;
  // Poll returns no more records of it.
  virtual absl::Status Remove(int32_t partition) = 0;

  // Up to `max_records` as soon as any are there; an empty batch after `timeout`. kUnavailable: a
  // transaction stays open and hides what lies behind it. kDataLoss: the topic was created again.
  virtual absl::StatusOr<Batch> Poll(int max_records, std::chrono::milliseconds timeout) = 0;
  // Poll has returned all that stood in each partition when its end was first reached.
  virtual bool caught_up() const = 0;
  // The same of one partition.
  virtual bool caught_up(int32_t partition) const = 0;
  // The offset behind what Poll has returned of a partition.
  virtual int64_t next(int32_t partition) const = 0;
  // Records between what Poll has returned and the ends, as far as they are known.
  virtual int64_t Remaining() const = 0;

  // The first offset that a partition has, and the one behind all that is committed or aborted.
  struct Range {
    int64_t begin = 0;
    int64_t end = 0;
  };
  virtual absl::StatusOr<Range> Ask(int32_t partition, std::chrono::milliseconds timeout) = 0;
};

}  // namespace levada::kafka
