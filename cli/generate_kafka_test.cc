#include <string>
#include <utility>
#include <vector>

#include "cli/generate.h"
#include "core/generate/fraud_event.h"
#include "core/kafka/testing.h"
#include "gtest/gtest.h"

namespace levada::cli {
namespace {

class Cluster : public kafka::MockKafka {
 public:
  std::string brokers() const { return config().brokers; }
  // Refuses the next records of every producer.
  void Refuse(rd_kafka_resp_err_t error) {
    rd_kafka_mock_push_request_errors(cluster(), 0 /* Produce */, 3, error, error, error);
  }

  // All records of one partition, as (key, value); `count` of them must come.
  std::vector<std::pair<std::string, std::string>> Read(const std::string& topic, int partition,
                                                        size_t count) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers().c_str(), nullptr, 0);
    rd_kafka_conf_set(conf, "group.id", "test", nullptr, 0);
    rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nullptr, 0);
    rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    std::vector<std::pair<std::string, std::string>> records;
    for (int idle = 0; records.size() < count && idle < 100;) {
      rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
      if (message == nullptr) {
        ++idle;
        continue;
      }
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        records.emplace_back(std::string(static_cast<const char*>(message->key), message->key_len),
                             std::string(static_cast<const char*>(message->payload), message->len));
      }
      rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return records;
  }
};

int Generate(const std::vector<std::string>& flags) {
  std::vector<std::string_view> args = {"fraud"};
  args.insert(args.end(), flags.begin(), flags.end());
  return RunGenerate(args);
}

TEST(GenerateKafkaTest, WritesEventsAndLabelsWithTheirKey) {
  Cluster cluster;
  cluster.CreateTopic("transactions", 1);
  cluster.CreateTopic("labels", 1);
  ASSERT_EQ(Generate({"--count", "300", "--seed", "3", "--to", "kafka:transactions", "--kafka",
                      cluster.brokers(), "--labels", "topic:labels"}),
            0);
  const auto events = cluster.Read("transactions", 0, 300);
  const auto labels = cluster.Read("labels", 0, 300);
  ASSERT_EQ(events.size(), 300u);
  ASSERT_EQ(labels.size(), 300u);
  generate::FraudSimulator simulator({.seed = 3});
  generate::Transaction transaction;
  for (size_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(simulator.Next(&transaction));
    std::string key;
    std::string event;
    std::string label;
    AppendKey(transaction, generate::KeyField::kEntityId, &key);
    AppendEvent(transaction, &event);
    AppendLabel(transaction, &label);
    EXPECT_EQ(events[i], std::pair(key, event));
    EXPECT_EQ(labels[i], std::pair(key, label));
  }
}

TEST(GenerateKafkaTest, FailsWhenTheBrokerRefuses) {
  Cluster cluster;
  cluster.CreateTopic("transactions", 1);
  cluster.Refuse(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  EXPECT_EQ(Generate({"--count", "10", "--to", "kafka:transactions", "--kafka", cluster.brokers()}),
            1);
}

}  // namespace
}  // namespace levada::cli
