#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/client.h"
#include "core/record/record.h"

// An idempotent, optionally transactional producer.
//
//   auto producer = Producer::Create({.client = config}, nullptr);
//   int topic = (*producer)->AddTopic("transactions");
//   (*producer)->Produce({.topic = topic, .key = "c1", .has_key = true, .value = bytes});
//   (*producer)->Flush(std::chrono::seconds(30));
//
// Threads: Produce from any; transactions from one thread at a time. Delivery reports come on the
// producer's own thread.
typedef struct rd_kafka_consumer_group_metadata_s rd_kafka_consumer_group_metadata_t;

namespace levada::kafka {

// The largest record that a producer takes, whatever the topic allows: it must fit the queue.
inline constexpr int64_t kMaxRecordBytes = 16 << 20;

struct Outgoing {
  int topic = 0;  // of AddTopic
  std::string_view key;
  bool has_key = false;
  std::string_view value;
  bool has_value = true;
  int64_t timestamp_ms = 0;  // 0: now
  int32_t partition = -1;    // -1: by the key, murmur2 as Java's default; without a key at random
  std::span<const Header> headers;
  void* opaque = nullptr;  // comes back in the delivery report
};

// What became of one record. Calls come from the producer's thread; they must not block.
class DeliveryListener {
 public:
  virtual ~DeliveryListener() = default;
  virtual void OnDelivery(void* opaque, const absl::Status& status, int32_t partition,
                          int64_t offset) = 0;
};

// For a transactional id that a restarted worker has again. Longer than a broker's restart: a
// broker that finds a transaction over its time before it has elected leaders may leave out the
// abort markers, and the aborted records become visible (seen with Kafka 4.3.1, one broker).
inline constexpr std::chrono::milliseconds kStableTransactionTimeout{60'000};

class Producer {
 public:
  struct Options {
    ClientConfig client;
    std::string transactional_id;  // empty: idempotent only
    // A batch for a partition is sent when it is this old or this large; Flush and Commit send at
    // once. Large ones cost the client less: it spins while batches are due and the broker still
    // has the five before them. No topic may take less than `batch_bytes` (max.message.bytes).
    std::chrono::milliseconds linger{5};
    int64_t batch_bytes = 256 << 10;
    int64_t queue_kbytes = 32 << 10;
    // After which the broker aborts a transaction whose producer is silent. Long where a restarted
    // worker has the same transactional id and ends it at once; short where readers would wait.
    std::chrono::milliseconds transaction_timeout{10'000};
    std::chrono::milliseconds delivery_timeout{120'000};
    std::string compression = "lz4";
  };

  static absl::StatusOr<std::unique_ptr<Producer>> Create(const Options& options,
                                                          DeliveryListener* listener);
  virtual ~Producer() = default;

  // Number of the topic in Outgoing::topic. The topic must exist by the first Produce.
  virtual int AddTopic(std::string_view name) = 0;
  // Of such a topic; asks the cluster. kNotFound: there is none (yet).
  virtual absl::StatusOr<int> CountPartitions(int topic) = 0;

  // Copies the record into the queue; waits while the queue is full (back-pressure) up to
  // `max_wait`, then kResourceExhausted. kInvalidArgument: too large for Kafka.
  virtual absl::Status Produce(const Outgoing& record,
                               std::chrono::milliseconds max_wait = std::chrono::minutes(1)) = 0;
  // Waits until all is answered. kUnavailable: not within `timeout`; kDataLoss: some failed (their
  // reports said why).
  virtual absl::Status Flush(std::chrono::milliseconds timeout) = 0;
  virtual int64_t queued() const = 0;

  // ---- without transactions and without a listener ----
  // Draws a line behind the records produced so far; the one before must have been awaited. From
  // the thread that produces.
  virtual void Mark() = 0;
  // Waits until all records before the line are answered, while others may be produced behind it.
  // From any thread; answers as Flush.
  virtual absl::Status AwaitMark(std::chrono::milliseconds timeout) = 0;

  // ---- transactions ----
  // kAborted: abort this transaction and begin again. kFailedPrecondition: fenced or fatal, make a
  // new producer. kUnavailable: call the same again.
  virtual absl::Status InitTransactions(std::chrono::milliseconds timeout) = 0;
  virtual absl::Status Begin() = 0;
  virtual absl::Status SendOffsets(std::string_view topic,
                                   const std::vector<PartitionOffset>& offsets,
                                   const rd_kafka_consumer_group_metadata_t* group) = 0;
  virtual absl::Status Commit() = 0;
  virtual absl::Status Abort() = 0;
};

}  // namespace levada::kafka
