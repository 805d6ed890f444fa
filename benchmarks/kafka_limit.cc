// What librdkafka needs to move records from topic to topic, exactly once: the limit that a stage
// is measured against (bench_scoring.py).
//
//   kafka_limit BROKERS GROUP FROM TO COMMIT_MS [EXTRA [KEEP [atLeastOnce]]]          until SIGTERM
//
// Keys and values as they are, in transactions with the input offsets; at least once the producer
// is flushed before they are committed. With EXTRA each value grows by so many bytes, as results
// do: the digits of a number, which do not compress, and filling; a negative one shortens it. Of a
// million records KEEP are written. The clients are set as core/kafka sets them: the same queues,
// batches, compression and isolation, and its FetchWaker keeps them fetching.
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/raw_client.h"
#include "core/kafka/fetch_waker.h"

namespace {

using Clock = std::chrono::steady_clock;
using levada::bench::Die;
using levada::bench::MakeClient;

constexpr int kTimeoutMs = 60'000;
constexpr int64_t kQueueKbytes = 4096;
constexpr uint64_t kMillion = 1'000'000;
std::atomic<bool> stopped{false};

void Check(rd_kafka_error_t* error) {
  if (error != nullptr) Die(rd_kafka_error_string(error));
}

void Check(rd_kafka_resp_err_t error) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Die(rd_kafka_err2str(error));
}

rd_kafka_t* MakeConsumer(const std::string& brokers, const std::string& group,
                         const std::string& topic) {
  rd_kafka_t* client =
      MakeClient(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers},
                                     {"group.id", group},
                                     {"enable.auto.commit", "false"},
                                     {"enable.auto.offset.store", "false"},
                                     {"auto.offset.reset", "earliest"},
                                     {"isolation.level", "read_committed"},
                                     {"partition.assignment.strategy", "cooperative-sticky"},
                                     {"queued.min.messages", "100000"},
                                     {"queued.max.messages.kbytes", std::to_string(kQueueKbytes)},
                                     {"fetch.message.max.bytes", "262144"},
                                     {"fetch.max.bytes", "4194304"},
                                     {"fetch.wait.max.ms", "50"}});
  rd_kafka_poll_set_consumer(client);
  rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(topics, topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (rd_kafka_subscribe(client, topics) != RD_KAFKA_RESP_ERR_NO_ERROR) Die("cannot subscribe");
  rd_kafka_topic_partition_list_destroy(topics);
  return client;
}

rd_kafka_t* MakeProducer(const std::string& brokers, const std::string& group, bool exactly_once) {
  const std::string linger = exactly_once ? "100" : "5";
  return MakeClient(RD_KAFKA_PRODUCER, {{"bootstrap.servers", brokers},
                                        {"enable.idempotence", "true"},
                                        {"transactional.id", exactly_once ? group : ""},
                                        {"acks", "all"},
                                        {"compression.codec", "lz4"},
                                        {"linger.ms", linger},
                                        {"batch.size", "1000000"},
                                        {"batch.num.messages", "10000"},
                                        {"queue.buffering.max.messages", "500000"},
                                        {"queue.buffering.max.kbytes", "32768"},
                                        {"partitioner", "murmur2_random"},
                                        {"message.max.bytes", "10485760"}});
}

class Mover {
 public:
  Mover(const std::string& brokers, const std::string& group, std::string from,
        const std::string& to, long extra, uint64_t keep, bool exactly_once)
      : from_(std::move(from)),
        extra_(extra),
        keep_(keep),
        exactly_once_(exactly_once),
        producer_(MakeProducer(brokers, group, exactly_once)),
        topic_(rd_kafka_topic_new(producer_, to.c_str(), nullptr)) {
    if (exactly_once_) Check(rd_kafka_init_transactions(producer_, kTimeoutMs));
    consumer_ = MakeConsumer(brokers, group, from_);
    queue_ = rd_kafka_queue_get_consumer(consumer_);
    waker_.emplace(consumer_, kQueueKbytes << 10);
  }

  void Run(std::chrono::milliseconds commit_interval) {
    std::vector<rd_kafka_message_t*> messages(2000);
    while (!stopped) {
      // With a time limit the client waits until the array is full: take what is there.
      ssize_t count = rd_kafka_consume_batch_queue(queue_, 0, messages.data(), messages.size());
      if (count == 0) count = rd_kafka_consume_batch_queue(queue_, 10, messages.data(), 1);
      int64_t bytes = 0;
      for (ssize_t i = 0; i < count; ++i) {
        bytes += static_cast<int64_t>(messages[i]->len);
        if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) Move(*messages[i]);
        rd_kafka_message_destroy(messages[i]);
      }
      waker_->Taken(count, bytes, static_cast<int64_t>(rd_kafka_queue_length(queue_)));
      rd_kafka_poll(producer_, 0);
      if (open_ && Clock::now() - opened_at_ >= commit_interval) Commit();
    }
    if (open_) Commit();
    waker_.reset();
    rd_kafka_consumer_close(consumer_);
  }

 private:
  void Move(const rd_kafka_message_t& message) {
    if (!open_) {
      if (exactly_once_) Check(rd_kafka_begin_transaction(producer_));
      open_ = true;
      opened_at_ = Clock::now();
    }
    offsets_[message.partition] = message.offset + 1;
    kept_ += keep_;
    if (kept_ < kMillion) return;
    kept_ -= kMillion;
    const void* value = message.payload;
    size_t size = message.len;
    if (extra_ < 0) size -= std::min(size, static_cast<size_t>(-extra_));
    if (extra_ > 0) {
      Grow(message);
      value = value_.data();
      size = value_.size();
    }
    while (rd_kafka_produce(topic_, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                            const_cast<void*>(value), size, message.key, message.key_len,
                            nullptr) != 0) {
      const rd_kafka_resp_err_t error = rd_kafka_last_error();
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) Die(rd_kafka_err2str(error));
      rd_kafka_poll(producer_, 1);
    }
  }

  void Grow(const rd_kafka_message_t& message) {
    constexpr long kDigits = 17;
    value_.assign(static_cast<const char*>(message.payload), message.len);
    for (long i = 0; i < std::min(extra_, kDigits); ++i) {
      random_ = random_ * 6364136223846793005 + 1442695040888963407;
      value_.push_back(static_cast<char>('0' + (random_ >> 33) % 10));
    }
    value_.resize(message.len + extra_, 'x');
  }

  void Commit() {
    rd_kafka_topic_partition_list_t* offsets =
        rd_kafka_topic_partition_list_new(static_cast<int>(offsets_.size()));
    for (const auto& [partition, offset] : offsets_) {
      rd_kafka_topic_partition_list_add(offsets, from_.c_str(), partition)->offset = offset;
    }
    exactly_once_ ? CommitTransaction(offsets) : CommitPlainly(offsets);
    rd_kafka_topic_partition_list_destroy(offsets);
    open_ = false;
  }

  void CommitTransaction(const rd_kafka_topic_partition_list_t* offsets) {
    rd_kafka_consumer_group_metadata_t* group = rd_kafka_consumer_group_metadata(consumer_);
    Check(rd_kafka_send_offsets_to_transaction(producer_, offsets, group, kTimeoutMs));
    Check(rd_kafka_commit_transaction(producer_, kTimeoutMs));
    rd_kafka_consumer_group_metadata_destroy(group);
  }

  void CommitPlainly(const rd_kafka_topic_partition_list_t* offsets) {
    Check(rd_kafka_flush(producer_, kTimeoutMs));
    Check(rd_kafka_commit(consumer_, offsets, /*async=*/0));
  }

  const std::string from_;
  const long extra_;
  const uint64_t keep_;  // of a million records
  const bool exactly_once_;
  uint64_t kept_ = 0;
  std::string value_;
  uint64_t random_ = 1;
  rd_kafka_t* producer_;
  rd_kafka_topic_t* topic_;
  rd_kafka_t* consumer_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
  std::optional<levada::kafka::FetchWaker> waker_;
  std::map<int32_t, int64_t> offsets_;
  bool open_ = false;
  Clock::time_point opened_at_;
};

}  // namespace

int main(int argc, char** argv) {
  const bool exactly_once = argc < 9;
  if (argc < 6 || argc > 9 || (!exactly_once && std::string(argv[8]) != "atLeastOnce")) {
    Die("usage: kafka_limit BROKERS GROUP FROM TO COMMIT_MS [EXTRA [KEEP [atLeastOnce]]]");
  }
  std::signal(SIGTERM, [](int) { stopped = true; });
  Mover mover(argv[1], argv[2], argv[3], argv[4], argc > 6 ? std::strtol(argv[6], nullptr, 10) : 0,
              argc > 7 ? std::strtoull(argv[7], nullptr, 10) : kMillion, exactly_once);
  mover.Run(std::chrono::milliseconds(std::atoi(argv[5])));
  return 0;
}
