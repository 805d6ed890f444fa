#include "core/kafka/producer.h"

#include <gtest/gtest.h>

#include "core/kafka/testing.h"

namespace levada::kafka {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A broker in this process, with a topic of two partitions.
class ProducerTest : public testing::Test {
 protected:
  ProducerTest() {
    kafka_.CreateTopic("t", 2);
    Producer::Options options;
    options.client = kafka_.config();
    auto made = Producer::Create(options, nullptr);
    EXPECT_TRUE(made.ok()) << made.status();
    producer_ = *std::move(made);
    topic_ = producer_->AddTopic("t");
  }

  // Nobody answers what is written to this partition, or somebody does again.
  void Leader(int partition, bool there) {
    rd_kafka_mock_partition_set_leader(kafka_.cluster(), "t", partition, there ? 1 : -1);
  }
  void Produce(int partition, std::string_view value) {
    Outgoing record;
    record.topic = topic_;
    record.value = value;
    record.partition = partition;
    ASSERT_TRUE(producer_->Produce(record).ok());
  }

  MockKafka kafka_;
  std::unique_ptr<Producer> producer_;
  int topic_ = -1;
};

TEST_F(ProducerTest, AMarkIsReachedWhenAllBeforeItIsAnswered) {
  Leader(1, false);
  Produce(0, "a");
  Produce(1, "b");
  producer_->Mark();
  EXPECT_EQ(producer_->AwaitMark(milliseconds(500)).code(), absl::StatusCode::kUnavailable);
  Leader(1, true);
  EXPECT_TRUE(producer_->AwaitMark(seconds(30)).ok());
}

TEST_F(ProducerTest, AMarkDoesNotWaitForWhatIsBehindIt) {
  Leader(1, false);
  Produce(0, "a");
  producer_->Mark();
  Produce(1, "b");
  EXPECT_TRUE(producer_->AwaitMark(seconds(30)).ok());
  EXPECT_EQ(producer_->queued(), 1);
  producer_->Mark();
  EXPECT_EQ(producer_->AwaitMark(milliseconds(50)).code(), absl::StatusCode::kUnavailable);
  Leader(1, true);
  EXPECT_TRUE(producer_->AwaitMark(seconds(30)).ok());
}

TEST_F(ProducerTest, ARecordThatKafkaRefusedIsToldAtTheMark) {
  rd_kafka_mock_push_request_errors(kafka_.cluster(), 0 /* Produce */, 1,
                                    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  Produce(0, "a");
  producer_->Mark();
  EXPECT_EQ(producer_->AwaitMark(seconds(30)).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace levada::kafka
