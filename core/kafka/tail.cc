#include "core/kafka/tail.h"

#include <librdkafka/rdkafka.h>

#include <memory>

#include "core/base/strings.h"

namespace levada::kafka {

absl::StatusOr<std::map<int32_t, bool>> HasEvents(const ClientConfig& config,
                                                  const std::string& topic,
                                                  const std::map<int32_t, int64_t>& offsets,
                                                  std::chrono::milliseconds timeout) {
  using Clock = std::chrono::steady_clock;
  absl::StatusOr<rd_kafka_conf_t*> conf =
      MakeConf(config, {{"group.id", "unused: nothing is committed"},
                        {"enable.auto.commit", "false"},
                        {"enable.partition.eof", "true"},
                        {"auto.offset.reset", "error"},
                        {"isolation.level", "read_committed"},
                        {"fetch.wait.max.ms", "10"},
                        {"queued.max.messages.kbytes", "1024"}});
  if (!conf.ok()) return conf.status();
  char reason[512];
  const std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)> client(
      rd_kafka_new(RD_KAFKA_CONSUMER, *conf, reason, sizeof reason), rd_kafka_destroy);
  if (client == nullptr) {
    rd_kafka_conf_destroy(*conf);
    return absl::InvalidArgumentError(base::StrCat("Kafka consumer: ", reason));
  }
  rd_kafka_poll_set_consumer(client.get());
  const std::unique_ptr<rd_kafka_topic_partition_list_t, void (*)(rd_kafka_topic_partition_list_t*)>
      list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())),
           rd_kafka_topic_partition_list_destroy);
  for (const auto& [partition, offset] : offsets) {
    rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = offset;
  }
  if (const auto error = rd_kafka_assign(client.get(), list.get())) return ToStatus(error, topic);
  std::map<int32_t, bool> events;
  const auto deadline = Clock::now() + timeout;
  while (events.size() < offsets.size()) {
    if (Clock::now() > deadline) {
      return absl::UnavailableError(
          base::StrCat("looking at the end of ", topic, " takes too long"));
    }
    const std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)> message(
        rd_kafka_consumer_poll(client.get(), 100), rd_kafka_message_destroy);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      events[message->partition] = true;
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      events.emplace(message->partition, false);
    } else {
      return ToStatus(message->err, base::StrCat("reading ", topic));
    }
  }
  return events;
}

}  // namespace levada::kafka
