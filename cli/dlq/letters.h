#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/client.h"
#include "core/kafka/snapshot.h"
#include "core/record/record.h"

// The dead letters of a pipeline (core/runtime/dead_letters.h), and which of them were sent again.
//
//   Replayed replayed;
//   absl::Status read = ReadLetters(config, topic, "orders", &replayed, [&](const Letter& letter) {
//     if (filter.Takes(letter)) ...
//   });
//   if (replayed.Contains(0, 17)) ...            // known once all is read
//
// That a record was sent again is written into the dead-letter topic itself, in the transaction
// that sends it: a record with the header `levada-replayed` names offsets of its own partition. It
// stands behind what it names, so that retention and purge never take it first, and whoever reads
// the topic to its end knows all.
//
// Threads: pure functions and plain data, but for ReadLetters, which reads Kafka.
namespace levada::cli {

// Sets of offsets, by partition.
class Replayed {
 public:
  void Add(int32_t partition, int64_t first, int64_t last);
  bool Contains(int32_t partition, int64_t offset) const;

  // "17-45,47" of sorted offsets; Parse takes what it writes, and passes over what it does not.
  static std::string Format(const std::vector<int64_t>& sorted);
  void Parse(int32_t partition, std::string_view text);

 private:
  // First of each range to its last; ranges of a partition may overlap in what was read.
  std::map<std::pair<int32_t, int64_t>, int64_t> ranges_;
};

// Views end with the visit.
struct Letter {
  const Record* record = nullptr;  // as it is in the dead-letter topic
  std::vector<Header> headers;     // of the original
  std::string_view pipeline;
  std::string_view stage;
  std::string_view error;
  std::string_view topic;  // where it came from: a Kafka topic, or a file's path
  int32_t partition = -1;
  int64_t offset = -1;
  int64_t timestamp_ms = -1;
  int64_t full_size = -1;  // of one that was cut; else -1
};

// What a record of a dead-letter topic says; nullopt: it is no dead letter. Adds to `replayed`
// what it tells of that.
std::optional<Letter> LetterOf(const Record& record, std::vector<Header> headers,
                               Replayed* replayed);

// All letters up to the end that the topic has now, by partition and offset. kNotFound: no such
// topic. `ends`: the offset behind the last record of each partition.
absl::Status ReadLetters(const kafka::ClientConfig& config, const std::string& topic,
                         Replayed* replayed, std::map<int32_t, int64_t>* ends,
                         const std::function<void(const Letter&)>& visit,
                         kafka::SnapshotEnd end = kafka::SnapshotEnd::kCommitted);

// Which letters a command is about.
class Filter {
 public:
  // `reason`: RE2, sought anywhere in the error. kInvalidArgument: it is none.
  static absl::StatusOr<Filter> Create(std::string_view pipeline, std::string_view stage,
                                       std::string_view reason, int64_t since_ms);
  Filter(Filter&&) = default;
  ~Filter();

  // Letters of other pipelines, on a topic that several share, are never taken.
  bool Takes(const Letter& letter) const;

 private:
  struct Parts;
  explicit Filter(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

// Letters of one stage that went wrong alike: the reason without the values in it.
//   field "amount" of event 17: … -> field … of event #: …
std::string ReasonOf(std::string_view error);

}  // namespace levada::cli
