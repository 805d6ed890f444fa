// At least once: offsets are committed when Kafka has the results, and never where it refused them.
// Kafka is librdkafka's own mock broker, which can be slow and refuse.
#include "core/runtime/stage_output.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "core/runtime/testing.h"

namespace levada::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kSlow{1500};

// A member of no group, which says when something was committed.
class Member : public kafka::Consumer {
 public:
  absl::Status Commit(const std::vector<kafka::PartitionOffset>& offsets) override {
    committed_at = Clock::now();
    committed = offsets.empty() ? -1 : offsets[0].offset;
    return absl::OkStatus();
  }
  absl::StatusOr<Batch> Poll(int, milliseconds) override { return Batch(); }
  void Pause() override {}
  void Resume() override {}
  bool paused() const override { return false; }
  rd_kafka_consumer_group_metadata_t* GroupMetadata() const override { return nullptr; }
  std::vector<int32_t> assignment() const override { return {0}; }
  std::vector<int32_t> at_end() const override { return {}; }
  int64_t Lag() override { return 0; }
  void Close() override {}

  Clock::time_point committed_at;
  int64_t committed = -1;  // none
};

class AtLeastOnceTest : public testing::Test {
 protected:
  void SetUp() override {
    char reason[512];
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    ASSERT_NE(handle_, nullptr) << reason;
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    for (const std::string& topic : {scene_.out, scene_.dead}) {
      rd_kafka_mock_topic_create(cluster_, topic.c_str(), 1, 1);
    }
    scene_.kafka.brokers = rd_kafka_mock_cluster_bootstraps(cluster_);
  }
  void TearDown() override {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }

  // Produces the result of one record and commits; `before`: when the producer has its topics.
  absl::Status ProduceAndCommit(const std::function<void()>& before) {
    const std::vector<std::string> topics = {scene_.out};
    const std::vector<int64_t> max_bytes = {1'000'000, 1'000'000};
    Running running(scene_, [&](Worker& worker) {
      StageOutput output(worker, topics, max_bytes, /*exactly_once=*/false);
      absl::Status status = output.Open();
      if (status.ok()) status = One(output);
      before();
      began_ = Clock::now();
      if (status.ok()) status = One(output);
      return status;
    });
    return running.Drain();
  }
  absl::Status One(StageOutput& output) {
    const Batch batch = Batch::FromValues(scene_.in, {"{}"}, next_++);
    OutputBatch result;
    OutputRecord record;
    record.source = 0;
    record.begin = OutputRecord::kBorrowed;
    record.borrowed = "{}";
    result.records().push_back(record);
    absl::Status status = output.Produce(batch, result, -1);
    if (status.ok()) status = output.StartCommit(member_);
    return status.ok() ? output.TakeCommit(/*wait=*/true) : status;
  }

  Scene scene_{"stage-output"};
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  Member member_;
  int64_t next_ = 0;
  Clock::time_point began_;
};

TEST_F(AtLeastOnceTest, OffsetsWaitUntilKafkaHasTheResults) {
  const absl::Status status = ProduceAndCommit(
      [&] { rd_kafka_mock_broker_set_rtt(cluster_, 1, static_cast<int>(kSlow.count())); });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(member_.committed, 2);
  EXPECT_GE(member_.committed_at - began_, kSlow);
}

TEST_F(AtLeastOnceTest, OffsetsOfResultsThatKafkaRefusedAreNotCommitted) {
  const absl::Status status = ProduceAndCommit([&] {
    for (int i = 0; i < 100; ++i) {
      rd_kafka_mock_push_request_errors(cluster_, 0 /* Produce */, 1,
                                        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    }
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(member_.committed, 1) << "only that of the record before";
}

}  // namespace
}  // namespace levada::runtime
