#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What became of the events of a request.
//
// Thread-safety: none; values.
namespace levada::ingest {

struct EventResult {
  enum class Code : uint8_t {
    kUnavailable,  // Kafka did not take it (in time): send it again
    kAccepted,     // in Kafka, at partition and offset
    kInvalid,      // refused for good: see error
  };
  Code code = Code::kUnavailable;
  int32_t partition = -1;
  int64_t offset = -1;
  std::string error;
};

struct Tally {
  size_t accepted = 0;
  size_t invalid = 0;
  size_t unavailable = 0;
};

Tally Count(const std::vector<EventResult>& results);

// {"accepted":1,"rejected":1,"results":[{"index":0,"status":"accepted","partition":3,"offset":17},
//  {"index":1,"status":"invalid","error":"..."}]}; with `errors_only` the accepted ones are left
//  out
// of the list.
std::string ToJson(const std::vector<EventResult>& results, const Tally& tally, bool errors_only);

// The same results in little memory: neighbours in one partition take a few bytes together.
class PackedResults {
 public:
  PackedResults() = default;
  explicit PackedResults(const std::vector<EventResult>& results);
  std::vector<EventResult> Unpack() const;
  size_t bytes() const;
  bool empty() const { return runs_.empty(); }

 private:
  // `count` results of one kind; accepted ones with offsets first, first + 1, ...
  struct Run {
    int64_t first = -1;
    int32_t partition = -1;
    uint32_t count = 0;
    EventResult::Code code = EventResult::Code::kUnavailable;
  };
  std::vector<Run> runs_;
  std::vector<std::string> errors_;  // of the results that are not accepted, in order
};

}  // namespace levada::ingest
