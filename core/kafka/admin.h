#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/client.h"

// Topics and groups as the cluster has them. Calls block for at most their timeout.
// Threads: any, one call at a time.
namespace levada::kafka {

struct TopicState {
  std::string name;
  int partitions = 0;
  int replication = 0;
  std::map<std::string, std::string> config;  // what differs from the cluster's defaults
};

struct NewTopic {
  std::string name;
  int partitions = 1;
  int replication = -1;  // -1: the cluster's default
  std::map<std::string, std::string> config;
};

struct Watermarks {
  int64_t low = 0;
  int64_t high = 0;
};

class Admin {
 public:
  // Each request to Kafka ends within about `timeout`, whatever Kafka does.
  static absl::StatusOr<std::unique_ptr<Admin>> Create(
      const ClientConfig& config, std::chrono::milliseconds timeout = std::chrono::seconds(30));
  virtual ~Admin() = default;

  // Waits until a broker answers. kUnavailable after `timeout`.
  virtual absl::Status WaitForBroker(std::chrono::milliseconds timeout) = 0;
  // The topics of `names` that exist.
  virtual absl::StatusOr<std::map<std::string, TopicState>> Describe(
      const std::vector<std::string>& names) = 0;
  // A topic that is there already is no error; `existed` says which those are.
  virtual absl::Status Create(const std::vector<NewTopic>& topics,
                              std::vector<std::string>* existed = nullptr) = 0;
  virtual absl::Status Grow(const std::string& topic, int partitions) = 0;
  // Sets these, gives those in `resets` the cluster's default again, and keeps all other settings
  // of the topic. Read, merge, write: what somebody else sets in between is lost.
  virtual absl::Status SetConfig(const std::string& topic,
                                 const std::map<std::string, std::string>& config,
                                 const std::vector<std::string>& resets = {}) = 0;
  virtual absl::Status Delete(const std::vector<std::string>& topics) = 0;
  // Deletes the records of each partition that stand before the offset.
  virtual absl::Status DeleteRecords(const std::string& topic,
                                     const std::map<int32_t, int64_t>& before) = 0;
  virtual absl::StatusOr<std::vector<Watermarks>> QueryWatermarks(const std::string& topic) = 0;
  // Committed offsets of a group on a topic, a partition an entry, -1 where there is none.
  virtual absl::StatusOr<std::vector<int64_t>> Committed(const std::string& group,
                                                         const std::string& topic) = 0;
};

}  // namespace levada::kafka
