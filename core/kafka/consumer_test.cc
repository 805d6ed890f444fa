// A member that ends before the group has told it its first partitions, and the lag of one that
// does not fetch. Kafka is librdkafka's own mock broker, which can be slow and refuse.
#include "core/kafka/consumer.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

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
    char reason[512];
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    ASSERT_NE(handle_, nullptr) << reason;
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    rd_kafka_mock_topic_create(cluster_, "in", 2, 1);
    options_.client.brokers = rd_kafka_mock_cluster_bootstraps(cluster_);
    rd_kafka_brokers_add(handle_, options_.client.brokers.c_str());
    options_.group = "group";
    options_.topic = "in";
  }
  void TearDown() override {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
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

  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  Consumer::Options options_;
  Listener listener_;
};

TEST_F(ConsumerTest, EndsWithoutAKafkaToBeHad) {
  options_.client.brokers = "127.0.0.1:1";
  EXPECT_LT(PollAndEnd(milliseconds(300)), seconds(5));
}

TEST_F(ConsumerTest, EndsWhileTheFirstPartitionsAreBeingTold) {
  rd_kafka_mock_broker_push_request_error_rtts(cluster_, 1, kSyncGroup, 1,
                                               RD_KAFKA_RESP_ERR_NO_ERROR, 6000);
  EXPECT_LT(PollAndEnd(kJoins), seconds(5));
  EXPECT_EQ(listener_.assigned, 0);
}

// As one that was frozen while it joined, and that the group has forgotten.
TEST_F(ConsumerTest, EndsForgottenBeforeItsFirstPartitions) {
  rd_kafka_mock_push_request_errors(cluster_, kSyncGroup, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
  rd_kafka_mock_push_request_errors(cluster_, kJoinGroup, 4, RD_KAFKA_RESP_ERR_NO_ERROR,
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
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(rd_kafka_producev(handle_, RD_KAFKA_V_TOPIC("in"), RD_KAFKA_V_PARTITION(i % 2),
                                RD_KAFKA_V_VALUE(const_cast<char*>("x"), 1), RD_KAFKA_V_END),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  ASSERT_EQ(rd_kafka_flush(handle_, 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  EXPECT_EQ(consumer.Lag(), 1000);
}

}  // namespace
}  // namespace levada::kafka
