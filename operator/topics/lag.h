#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/groups.h"

// How far the consumer groups of all pipelines on one Kafka are: a few requests a reading, whatever
// their number, and of the groups only those whose topic or lag has moved.
//
//   LagReader reader(config, 10s);
//   if (reader.Read(groups).ok()) Show(reader.Of("levada.default.fraud.detect"));
//
// Threads: one.
namespace levada::topics {

struct Load {
  std::vector<int64_t> end;
  std::vector<int64_t> lag;       // markers of transactions are no lag
  double events_per_second = -1;  // that the group handles; -1: not known yet

  bool operator==(const Load&) const = default;
};

struct Watched {
  std::string group;
  std::string topic;

  auto operator<=>(const Watched&) const = default;
};

class LagReader {
 public:
  LagReader(kafka::ClientConfig config, std::chrono::milliseconds timeout)
      : config_(std::move(config)), timeout_(timeout) {}

  // Reads anew; forgets groups that are not among these.
  absl::Status Read(const std::set<Watched>& groups);
  // Null: not known.
  const Load* Of(const std::string& group) const;
  // Closes the connections; the next Read opens them.
  void Close() {
    groups_.reset();
    listed_at_.reset();
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Known {
    std::string topic;
    std::vector<int64_t> next;  // as committed; without one, the beginning
    std::vector<int64_t> bare;  // partition: end up to which only markers follow `next`
    Load load;
    Clock::time_point at;
    bool seen = false;
  };

  // The ends of all topics that these groups read.
  absl::StatusOr<std::map<std::string, std::vector<kafka::PartitionEnds>>> Ends(
      const std::set<Watched>& groups);
  void Update(const Watched& watched, const std::vector<kafka::PartitionEnds>& ends,
              const std::vector<int64_t>& next, Clock::time_point now);
  void LookAtTail(const Watched& watched, Known* known);

  const kafka::ClientConfig config_;
  const std::chrono::milliseconds timeout_;
  std::unique_ptr<kafka::Groups> groups_;
  std::map<std::string, Known> known_;  // by group
  // Which partitions there are, and where they begin, changes seldom and is much to ask for.
  std::optional<Clock::time_point> listed_at_;
  std::map<std::string, int> partitions_;
  std::map<std::string, std::vector<kafka::PartitionEnds>> begins_;
};

}  // namespace levada::topics
