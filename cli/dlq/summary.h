#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/dlq/letters.h"

// What `levada dlq list` and `show` print.
//
// Threads: one.
namespace levada::cli {

// Counts of letters by stage and reason.
class Summary {
 public:
  struct Group {
    std::string stage;
    std::string topic;
    std::string reason;   // without its values
    std::string example;  // the newest, as it is
    int64_t count = 0;
    int64_t replayed = 0;
    int64_t oldest_ms = 0;
    int64_t newest_ms = 0;
  };

  void Add(const Letter& letter);
  // Once all is read.
  void Count(const Replayed& replayed);

  int64_t total() const { return static_cast<int64_t>(seen_.size()); }
  int64_t replayed() const { return replayed_; }
  // Newest first.
  std::vector<Group> Groups() const;

 private:
  struct Seen {
    int32_t partition;
    uint32_t group;
    int64_t offset;
  };
  std::vector<Group> groups_;
  std::map<std::string, uint32_t> numbers_;
  std::vector<Seen> seen_;
  int64_t replayed_ = 0;
};

// The newest `limit` letters, newest first, as JSON objects; 0: all.
class Newest {
 public:
  explicit Newest(size_t limit) : limit_(limit) {}

  void Add(const Letter& letter);
  std::vector<nlohmann::json> Take(const Replayed& replayed);

 private:
  struct Key {
    int64_t timestamp_ms;
    int32_t partition;
    int64_t offset;
    auto operator<=>(const Key&) const = default;
  };
  const size_t limit_;
  std::map<Key, std::string> letters_;  // JSON
};

}  // namespace levada::cli
