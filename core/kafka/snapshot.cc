#include "core/kafka/snapshot.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <memory>

#include "core/base/strings.h"
#include "core/kafka/messages.h"

namespace levada::kafka {
namespace {

using Clock = std::chrono::steady_clock;

struct Closer {
  void operator()(rd_kafka_t* client) const {
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
  }
  void operator()(rd_kafka_topic_partition_list_t* list) const {
    rd_kafka_topic_partition_list_destroy(list);
  }
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Client = std::unique_ptr<rd_kafka_t, Closer>;
using Message = std::unique_ptr<rd_kafka_message_t, Closer>;

absl::StatusOr<Client> Open(const ClientConfig& config) {
  absl::StatusOr<rd_kafka_conf_t*> conf = MakeConf(config, {{"group.id", "levada-snapshot"},
                                                            {"enable.auto.commit", "false"},
                                                            {"enable.partition.eof", "true"},
                                                            {"auto.offset.reset", "earliest"},
                                                            {"isolation.level", "read_committed"}});
  if (!conf.ok()) return conf.status();
  char reason[512];
  rd_kafka_t* const client = rd_kafka_new(RD_KAFKA_CONSUMER, *conf, reason, sizeof reason);
  if (client == nullptr) {
    rd_kafka_conf_destroy(*conf);
    return absl::InvalidArgumentError(base::StrCat("Kafka consumer: ", reason));
  }
  rd_kafka_poll_set_consumer(client);
  return Client(client);
}

absl::StatusOr<int> CountPartitions(rd_kafka_t* client, const std::string& topic, int timeout_ms) {
  rd_kafka_topic_t* const handle = rd_kafka_topic_new(client, topic.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  auto error = rd_kafka_metadata(client, 0, handle, &metadata, timeout_ms);
  rd_kafka_topic_destroy(handle);
  int count = 0;
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    error = metadata->topics[0].err;
    count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
  }
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, base::StrCat("reading ", topic));
  return count;
}

// The end of a partition that a reader of committed data comes to stands before the transactions
// that are open; this is the one behind them, as it was at the first of those ends.
class OpenEnd {
 public:
  // At an end: whether it is the one behind all.
  bool ReachedAt(rd_kafka_t* client, const rd_kafka_message_t& end) {
    if (wanted_ < 0) {
      int64_t low = 0;
      int64_t high = 0;
      rd_kafka_get_watermark_offsets(client, rd_kafka_topic_name(end.rkt), end.partition, &low,
                                     &high);
      wanted_ = std::max(high, end.offset);
      since_ = Clock::now();
    }
    return end.offset >= wanted_;
  }
  // Longer than any broker lets a worker's transaction be.
  bool Hangs() const { return wanted_ >= 0 && Clock::now() - since_ > kOpenFor; }

 private:
  static constexpr std::chrono::seconds kOpenFor{90};
  int64_t wanted_ = -1;
  Clock::time_point since_;
};

}  // namespace

void ReadSnapshotHeaders(const Record& record, std::vector<Header>* headers) {
  ReadMessageHeaders(record, headers);
}

absl::Status ReadSnapshot(const ClientConfig& config, const std::string& topic,
                          std::chrono::milliseconds timeout,
                          const std::function<void(const Record&)>& visit, SnapshotEnd end) {
  const auto deadline = Clock::now() + timeout;
  absl::StatusOr<Client> client = Open(config);
  if (!client.ok()) return client.status();
  const auto left_ms = [&] {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    return static_cast<int>(std::max<int64_t>(0, left.count()));
  };
  const absl::StatusOr<int> partitions = CountPartitions(client->get(), topic, left_ms());
  if (!partitions.ok()) return partitions.status();
  for (int partition = 0; partition < *partitions; ++partition) {
    const std::unique_ptr<rd_kafka_topic_partition_list_t, Closer> list(
        rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    const auto error = rd_kafka_assign(client->get(), list.get());
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return ToStatus(error, "assigning a partition");
    OpenEnd open;
    for (;;) {
      if (left_ms() == 0) {
        return absl::UnavailableError(base::StrCat("reading ", topic, " took too long"));
      }
      if (open.Hangs()) {
        return absl::UnavailableError(base::StrCat("a transaction on ", topic, "[", partition,
                                                   "] stays open: what lies behind it cannot "
                                                   "be read"));
      }
      const Message message(rd_kafka_consumer_poll(client->get(), std::min(left_ms(), 100)));
      if (message == nullptr) continue;
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        if (end == SnapshotEnd::kCommitted || open.ReachedAt(client->get(), *message)) break;
      } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        visit(ToRecord(*message));
      } else if (message->err != RD_KAFKA_RESP_ERR__TRANSPORT &&
                 message->err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        return ToStatus(message->err, base::StrCat("reading ", topic));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace levada::kafka
