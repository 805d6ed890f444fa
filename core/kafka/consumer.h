#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/client.h"
#include "core/record/record.h"

typedef struct rd_kafka_consumer_group_metadata_s rd_kafka_consumer_group_metadata_t;

// A member of a consumer group that reads one topic in batches. Offsets are never committed
// automatically.
//
// Threads: one, and Commit from any. The listener is called from within Poll.
namespace levada::kafka {

class RebalanceListener {
 public:
  virtual ~RebalanceListener() = default;
  // Partitions that come here, with their committed offset and metadata (-1: none). The listener
  // may change the offsets: reading starts there.
  virtual void OnAssigned(std::vector<PartitionOffset>* partitions) = 0;
  // Partitions that go. Their work is to be committed now, unless they are `lost`: then another
  // member has them already and what is not committed must be thrown away.
  virtual void OnRevoked(const std::vector<int32_t>& partitions, bool lost) = 0;
};

class Consumer {
 public:
  struct Options {
    ClientConfig client;
    std::string group;
    std::string topic;
    // What waits to be polled, without the 300 bytes that the client has beside each message. One
    // fetch, compressed, may come on top.
    int64_t queue_kbytes = 4 << 10;
    int64_t fetch_bytes = 4 << 20;
    std::chrono::milliseconds session_timeout{10'000};
    // A name that stays over restarts of this worker (static membership, KIP-345): it gets its
    // partitions back at once, and a forgotten twin of it is fenced. Empty: a new member each time.
    std::string instance;
    // What others see of it in the group's description; empty: nothing that tells it apart.
    std::string client_id;
  };

  static absl::StatusOr<std::unique_ptr<Consumer>> Create(const Options& options,
                                                          RebalanceListener* listener);
  // Leaves the group (OnRevoked is called for what is left).
  virtual ~Consumer() = default;

  // Up to `max_records`, as soon as any are there; an empty batch after `timeout`.
  // kDataLoss: the topic was created again or its offsets are gone: make a new consumer.
  virtual absl::StatusOr<Batch> Poll(int max_records, std::chrono::milliseconds timeout) = 0;

  // Stops and resumes fetching of all partitions; Poll goes on serving the group.
  virtual void Pause() = 0;
  virtual void Resume() = 0;
  virtual bool paused() const = 0;

  virtual absl::Status Commit(const std::vector<PartitionOffset>& offsets) = 0;
  // For a transactional producer; free with rd_kafka_consumer_group_metadata_destroy. Null: this is
  // no member of the group (any more), and must not commit: without a member's name Kafka would
  // take the offsets of anybody.
  virtual rd_kafka_consumer_group_metadata_t* GroupMetadata() const = 0;
  // Partitions assigned now.
  virtual std::vector<int32_t> assignment() const = 0;
  // Those of them of which Poll has returned all that there was.
  virtual std::vector<int32_t> at_end() const = 0;
  // Records between what Poll has returned and the end of the partitions, as far as Kafka has told
  // with what was fetched. Where it was paused a second ago or before, it is asked: 100 ms at most.
  virtual int64_t Lag() = 0;
  // Leaves the group in good order.
  virtual void Close() = 0;
};

}  // namespace levada::kafka
