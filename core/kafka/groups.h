#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/client.h"

// How far many consumer groups are, in few requests: the ends of all topics in one request a
// broker, the offsets of each group in one request, all of them under way at the same time.
//
//   auto ends = groups->Ends({{"transactions", 6}, {"customers", 3}}, true);
//   auto next = groups->Next({{"levada.default.fraud.detect", "transactions", 6}});
//   // lag of partition i: ends["transactions"][i].end - max(next[0][i], ends[...][i].begin)
//
//   auto members = groups->Members("levada.default.fraud.detect", "transactions");
//
// Ends are those of committed data: behind an open transaction nothing can be read yet.
// Every call ends within about its timeout. Threads: any, one call at a time.
namespace levada::kafka {

struct GroupOnTopic {
  std::string group;
  std::string topic;
  int partitions = 0;
};

struct PartitionEnds {
  int64_t begin = 0;
  int64_t end = 0;
};

struct GroupMember {
  std::string client_id;
  std::string host;  // as the broker sees it: "/10.0.0.7"
  std::vector<int32_t> partitions;
};

class Groups {
 public:
  static absl::StatusOr<std::unique_ptr<Groups>> Create(const ClientConfig& config,
                                                        std::chrono::milliseconds timeout);
  virtual ~Groups() = default;

  // The partitions of each topic of all that have leaders. A topic that is not there, or has a
  // partition without a leader, is left out.
  virtual absl::StatusOr<std::map<std::string, int>> Partitions(
      const std::vector<std::string>& topics) = 0;
  // Without `begins` half the work: `begin` is 0 then.
  virtual absl::StatusOr<std::map<std::string, std::vector<PartitionEnds>>> Ends(
      const std::map<std::string, int>& partitions, bool begins) = 0;
  // For each the next offset that it reads, a partition an entry; -1: none committed. An empty list
  // for a group that could not be asked.
  virtual absl::StatusOr<std::vector<std::vector<int64_t>>> Next(
      const std::vector<GroupOnTopic>& groups) = 0;
  // Who is in the group, and which partitions of the topic each of them has. kUnavailable: the
  // partitions are being shared out anew. None of what members say of themselves is checked.
  virtual absl::StatusOr<std::vector<GroupMember>> Members(const std::string& group,
                                                           const std::string& topic) = 0;
  // Deletes the groups whose names begin so. One with members cannot be deleted: kUnavailable names
  // it.
  virtual absl::Status DeleteWithPrefix(const std::string& prefix) = 0;
};

}  // namespace levada::kafka
