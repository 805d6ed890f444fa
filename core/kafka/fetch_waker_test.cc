#include "core/kafka/fetch_waker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/base/strings.h"
#include "core/kafka/log_reader.h"
#include "core/kafka/producer.h"
#include "core/kafka/testing.h"

namespace levada::kafka {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

// A broker in this process, with 16 MiB in four partitions: four times what a queue holds.
class FetchWakerTest : public testing::Test {
 protected:
  static constexpr int kPartitions = 4;
  static constexpr int kRecords = 4096;  // of 1 KiB, a partition

  FetchWakerTest() {
    kafka_.CreateTopic("t", kPartitions);
    auto producer = Producer::Create({.client = kafka_.config()}, nullptr);
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

  MockKafka kafka_;
};

TEST_F(FetchWakerTest, AReaderThatIsSlowerThanTheBrokerDoesNotWaitForIt) {
  auto reader = LogReader::Open(kafka_.config(), "t");
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
