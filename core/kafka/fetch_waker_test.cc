#include "core/kafka/fetch_waker.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <thread>

#include "core/base/strings.h"
#include "core/kafka/log_reader.h"
#include "core/kafka/producer.h"

namespace levada::kafka {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

// A broker in this process, with 16 MiB in four partitions: four times what a queue holds.
class FetchWakerTest : public testing::Test {
 protected:
  static constexpr int kPartitions = 4;
  static constexpr int kRecords = 4096;  // of 1 KiB, a partition

  FetchWakerTest()
      : client_(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0)),
        cluster_(rd_kafka_mock_cluster_new(client_, 1)) {
    rd_kafka_mock_topic_create(cluster_, "t", kPartitions, 1);
    config_.brokers = rd_kafka_mock_cluster_bootstraps(cluster_);
    auto producer = Producer::Create({.client = config_}, nullptr);
    EXPECT_TRUE(producer.ok()) << producer.status();
    Outgoing record;
    record.topic = (*producer)->AddTopic("t");
    const std::string value(1024, 'x');
    record.value = value;
    for (int i = 0; i < kPartitions * kRecords; ++i) {
      record.partition = i % kPartitions;
      EXPECT_TRUE((*producer)->Produce(record).ok());
    }
    EXPECT_TRUE((*producer)->Flush(seconds(60)).ok());
  }
  ~FetchWakerTest() override {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(client_);
  }

  rd_kafka_t* client_;
  rd_kafka_mock_cluster_t* cluster_;
  ClientConfig config_;
};

TEST_F(FetchWakerTest, AReaderThatIsSlowerThanTheBrokerDoesNotWaitForIt) {
  auto reader = LogReader::Open(config_, "t");
  ASSERT_TRUE(reader.ok()) << reader.status();
  for (int partition = 0; partition < kPartitions; ++partition) {
    ASSERT_TRUE((*reader)->Add(partition, 0).ok());
  }
  size_t records = 0;
  auto begun = Clock::now();
  while (records < kPartitions * kRecords && Clock::now() - begun < seconds(60)) {
    auto batch = (*reader)->Poll(200, std::chrono::milliseconds(100));
    ASSERT_TRUE(batch.ok()) << batch.status();
    if (records == 0) begun = Clock::now();
    records += batch->size();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(records, kPartitions * kRecords);
  // 82 batches of 5 ms; without it, three seconds more.
  EXPECT_LT(Clock::now() - begun, std::chrono::milliseconds(2000));
}

}  // namespace
}  // namespace levada::kafka
