// A member that ends before the group has told it its first partitions, and the lag of one that
// does not fetch.
#include "core/kafka/consumer.h"

#include <gtest/gtest.h>

#include "core/kafka/producer.h"
#include "core/kafka/testing.h"

namespace levada::kafka {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Numbers of requests in Kafka's protocol.
constexpr int16_t kJoinGroup = 11;
constexpr int16_t kSyncGroup = 14;
// The mock broker waits for 3 s before it lets the first member of a group join.
constexpr milliseconds kJoins{4000};

class Listener : public RebalanceListener {
 public:
  void OnAssigned(std::vector<PartitionOffset>*) override { ++assigned; }
  void OnRevoked(const std::vector<int32_t>&, bool) override {}

  int assigned = 0;
};

class ConsumerTest : public testing::Test {
 protected:
  void SetUp() override {
    kafka_.CreateTopic("in", 2);
    options_.client = kafka_.config();
    options_.group = "group";
    options_.topic = "in";
  }

  // Polls a new member for `time` and ends it; how long the end took.
  Clock::duration PollAndEnd(milliseconds time) {
    auto consumer = Consumer::Create(options_, &listener_);
    EXPECT_TRUE(consumer.ok()) << consumer.status();
    for (const auto until = Clock::now() + time; Clock::now() < until;) {
      (*consumer)->Poll(10, milliseconds(10)).IgnoreError();
    }
    const auto began = Clock::now();
    consumer->reset();
    return Clock::now() - began;
  }

  MockKafka kafka_;
  Consumer::Options options_;
  Listener listener_;
};

TEST_F(ConsumerTest, EndsWithoutAKafkaToBeHad) {
  options_.client.brokers = "127.0.0.1:1";
  EXPECT_LT(PollAndEnd(milliseconds(300)), seconds(5));
}

TEST_F(ConsumerTest, EndsWhileTheFirstPartitionsAreBeingTold) {
  rd_kafka_mock_broker_push_request_error_rtts(kafka_.cluster(), 1, kSyncGroup, 1,
                                               RD_KAFKA_RESP_ERR_NO_ERROR, 6000);
  EXPECT_LT(PollAndEnd(kJoins), seconds(5));
  EXPECT_EQ(listener_.assigned, 0);
}

// As one that was frozen while it joined, and that the group has forgotten.
TEST_F(ConsumerTest, EndsForgottenBeforeItsFirstPartitions) {
  rd_kafka_mock_push_request_errors(kafka_.cluster(), kSyncGroup, 1,
                                    RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
  rd_kafka_mock_push_request_errors(kafka_.cluster(), kJoinGroup, 4, RD_KAFKA_RESP_ERR_NO_ERROR,
                                    RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                    RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                    RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
  EXPECT_LT(PollAndEnd(kJoins), seconds(5));
  EXPECT_EQ(listener_.assigned, 0);
}

TEST_F(ConsumerTest, EndsInOrderWithPartitions) {
  EXPECT_LT(PollAndEnd(kJoins), seconds(5));
  EXPECT_EQ(listener_.assigned, 1);
}

TEST_F(ConsumerTest, LagOfOneThatIsPausedGrows) {
  auto made = Consumer::Create(options_, &listener_);
  ASSERT_TRUE(made.ok()) << made.status();
  Consumer& consumer = **made;
  for (const auto until = Clock::now() + seconds(20);
       consumer.at_end().size() < 2 && Clock::now() < until;) {
    consumer.Poll(10, milliseconds(10)).IgnoreError();
  }
  EXPECT_EQ(consumer.Lag(), 0);
  consumer.Pause();
  auto producer = Producer::Create({.client = options_.client}, nullptr);
  ASSERT_TRUE(producer.ok()) << producer.status();
  Outgoing record;
  record.topic = (*producer)->AddTopic("in");
  for (int i = 0; i < 1000; ++i) {
    record.partition = i % 2;
    ASSERT_TRUE((*producer)->Produce(record).ok());
  }
  ASSERT_TRUE((*producer)->Flush(seconds(60)).ok());
  int64_t lag = 0;
  for (const auto until = Clock::now() + seconds(20); lag < 1000 && Clock::now() < until;) {
    consumer.Poll(10, milliseconds(100)).IgnoreError();
    lag = consumer.Lag();
  }
  EXPECT_EQ(lag, 1000);
}

}  // namespace
}  // namespace levada::kafka
