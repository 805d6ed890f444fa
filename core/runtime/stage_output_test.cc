// At least once: offsets are committed when Kafka has the results, and never where it refused them.
#include "core/runtime/stage_output.h"

#include "core/kafka/testing.h"
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
    for (const std::string& topic : {scene_.out, scene_.dead}) kafka_.CreateTopic(topic, 1);
    scene_.kafka = kafka_.config();
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
  kafka::MockKafka kafka_;
  Member member_;
  int64_t next_ = 0;
  Clock::time_point began_;
};

TEST_F(AtLeastOnceTest, OffsetsWaitUntilKafkaHasTheResults) {
  const absl::Status status = ProduceAndCommit(
      [&] { rd_kafka_mock_broker_set_rtt(kafka_.cluster(), 1, static_cast<int>(kSlow.count())); });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(member_.committed, 2);
  EXPECT_GE(member_.committed_at - began_, kSlow);
}

TEST_F(AtLeastOnceTest, OffsetsOfResultsThatKafkaRefusedAreNotCommitted) {
  const absl::Status status = ProduceAndCommit([&] {
    for (int i = 0; i < 100; ++i) {
      rd_kafka_mock_push_request_errors(kafka_.cluster(), 0 /* Produce */, 1,
                                        RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    }
  });
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(member_.committed, 1) << "only that of the record before";
}

}  // namespace
}  // namespace levada::runtime
