// The loops on a real Kafka (LEVADA_KAFKA), with a processor and a sink made for the test.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>

#include "core/base/random.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/kafka/admin.h"
#include "core/kafka/consumer.h"
#include "core/kafka/producer.h"
#include "core/record/headers.h"
#include "core/runtime/worker.h"

namespace levada::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr int kPartitions = 3;

class Ignore : public kafka::RebalanceListener {
 public:
  void OnAssigned(std::vector<kafka::PartitionOffset>*) override {}
  void OnRevoked(const std::vector<int32_t>&, bool) override {}
};

struct Read {
  std::string key;
  std::string value;
  std::map<std::string, std::string> headers;
};

// Sends each value on in capitals; "drop" is filtered, "bad" is a dead letter, "big" grows past
// what a topic takes.
class Capitals : public Processor {
 public:
  explicit Capitals(std::string topic) : topics_({std::move(topic)}) {}
  const std::vector<std::string>& output_topics() const override { return topics_; }

  absl::Status Process(const Batch& in, OutputBatch* out) override {
    for (size_t i = 0; i < in.size(); ++i) {
      const auto source = static_cast<int32_t>(i);
      if (in[i].value == "bad") {
        out->dead_letters().push_back({source, "this one is bad"});
      } else if (in[i].value == "drop") {
        ++out->filtered;
      } else {
        Send(in[i], source, out);
      }
    }
    return absl::OkStatus();
  }

 private:
  static void Send(const Record& record, int32_t source, OutputBatch* out) {
    OutputRecord result;
    result.source = source;
    result.key = record.key;
    result.has_key = record.has_key;
    result.begin = static_cast<uint32_t>(out->buffer().size());
    if (record.value == "big") {
      out->buffer().append(4 << 20, 'x');
    } else {
      for (char c : record.value) out->buffer().push_back(static_cast<char>(std::toupper(c)));
    }
    result.size = static_cast<uint32_t>(out->buffer().size() - result.begin);
    out->records().push_back(result);
  }

  std::vector<std::string> topics_;
};

// Keeps values; "drop" is filtered, "bad" is a dead letter, "refused" is rejected at Flush, and
// while `down` nothing can be flushed.
class Keeper : public Sink {
 public:
  std::atomic<bool> down{false};
  std::atomic<int> flushes{0};
  std::atomic<int> failures{0};

  absl::Status Assign(std::vector<Assignment>* partitions) override {
    for (const Assignment& assignment : *partitions) epochs.insert(assignment.epoch);
    return absl::OkStatus();
  }
  absl::Status Add(const Batch& batch, std::vector<DeadLetter>* dead_letters) override {
    filtered_ = {};
    for (size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].value == "bad") dead_letters->push_back({static_cast<int32_t>(i), "it is bad"});
      if (batch[i].value != "drop") continue;
      ++filtered_.records;
      filtered_.bytes += batch[i].key.size() + batch[i].value.size();
    }
    if (!batch.empty()) batches_.push_back(batch);
    return absl::OkStatus();
  }
  Filtered filtered() const override { return filtered_; }
  bool Full() const override { return batches_.size() > 10; }
  std::chrono::steady_clock::time_point FlushAt() const override {
    return batches_.empty() ? std::chrono::steady_clock::time_point::max()
                            : std::chrono::steady_clock::now();
  }
  absl::Status Flush(std::vector<Rejected>* rejected) override {
    if (down) {
      ++failures;
      return absl::UnavailableError("the keeper is down");
    }
    std::lock_guard lock(mutex_);
    for (const Batch& batch : batches_) {
      for (const Record& record : batch.records()) {
        if (record.value == "refused") {
          rejected->push_back({record, "the keeper does not want it"});
        } else if (record.value != "drop" && record.value != "bad") {
          kept_.emplace_back(record.value);
        }
      }
    }
    // The views of what was rejected stay valid until the next Flush.
    flushed_ = std::exchange(batches_, {});
    ++flushes;
    return absl::OkStatus();
  }
  void Discard() override { batches_.clear(); }
  absl::Status Pipe(const Batch&, std::string*, std::vector<DeadLetter>*) override {
    return absl::OkStatus();
  }
  std::vector<std::string> kept() const {
    std::lock_guard lock(mutex_);
    return kept_;
  }

  std::set<int64_t> epochs;

 private:
  Filtered filtered_;
  std::vector<Batch> batches_;
  std::vector<Batch> flushed_;
  mutable std::mutex mutex_;
  std::vector<std::string> kept_;
};

class LoopsTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* brokers = std::getenv("LEVADA_KAFKA");
    ASSERT_NE(brokers, nullptr) << "needs a Kafka: ./dev test starts one";
    config_.brokers = brokers;
    id_ = base::StrCat("loops-", base::RandomSeed() % 1'000'000'000);
    pipeline_.mutable_metadata()->set_name(id_);
    pipeline_.mutable_spec()->mutable_dead_letters()->set_topic(id_ + ".dead");
    pipeline_.mutable_spec()->add_topics()->set_name(id_ + ".in");
    stage_.set_name("stage");
    stage_.mutable_scoring()->set_commit_interval("50ms");
    auto admin = kafka::Admin::Create(config_);
    ASSERT_TRUE(admin.ok());
    admin_ = *std::move(admin);
    ASSERT_TRUE(admin_
                    ->Create({{id_ + ".in", kPartitions, -1, {}},
                              {id_ + ".out", kPartitions, -1, {}},
                              {id_ + ".dead", 1, -1, {}}})
                    .ok());
  }

  void TearDown() override {
    if (admin_) {
      admin_->Delete({id_ + ".in", id_ + ".out", id_ + ".dead"}).IgnoreError();
    }
  }

  void Write(const std::vector<std::string>& values) {
    auto producer = kafka::Producer::Create({.client = config_}, nullptr);
    ASSERT_TRUE(producer.ok());
    const int topic = (*producer)->AddTopic(id_ + ".in");
    const Header trace[] = {{"trace", "t1"}};
    for (size_t i = 0; i < values.size(); ++i) {
      const std::string key = base::StrCat("k", i);
      kafka::Outgoing record;
      record.topic = topic;
      record.key = key;
      record.has_key = true;
      record.value = values[i];
      record.headers = trace;
      ASSERT_TRUE((*producer)->Produce(record).ok());
    }
    ASSERT_TRUE((*producer)->Flush(seconds(30)).ok());
  }

  // Reads until `count` records are there; more are read too, if they come within a moment.
  std::vector<Read> ReadTopic(const std::string& topic, size_t count) {
    Ignore listener;
    kafka::Consumer::Options options;
    options.client = config_;
    options.group = base::StrCat(id_, "-reader-", base::RandomSeed());
    options.topic = topic;
    auto consumer = kafka::Consumer::Create(options, &listener);
    EXPECT_TRUE(consumer.ok());
    std::vector<Read> reads;
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      auto batch = (*consumer)->Poll(100, milliseconds(500));
      if (!batch.ok()) continue;  // a topic this new may have no leader yet
      if (batch->empty() && reads.size() >= count) break;
      for (const Record& record : batch->records()) {
        Read read{std::string(record.key), std::string(record.value), {}};
        std::vector<Header> headers;
        batch->ReadHeaders(record, &headers);
        for (const Header& header : headers) read.headers.emplace(header.name, header.value);
        reads.push_back(std::move(read));
      }
    }
    return reads;
  }

  // Runs a loop until `done`, then drains it.
  template <typename Loop>
  absl::Status RunUntil(const Loop& loop, const std::function<bool()>& done) {
    Control control;
    prometheus::Registry registry;
    StageMetrics metrics(registry, {});
    const base::Secrets secrets;
    const StageContext context{pipeline_, stage_,  secrets, config_, metrics,
                               registry,  control, false,   "",      ""};
    Worker worker{context, control, metrics, config_, id_ + ".group", id_ + ".in", instance_};
    absl::Status status;
    std::thread thread([&] { status = loop(worker); });
    const auto until = std::chrono::steady_clock::now() + seconds(60);
    while (!done() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_TRUE(done()) << StateName(control.state()) << ": " << control.message();
    control.Drain();
    thread.join();
    numbers_ = metrics.Read();
    return status;
  }

  // Offsets of the group on the input, all partitions together.
  int64_t Committed() {
    auto offsets = admin_->Committed(id_ + ".group", id_ + ".in");
    if (!offsets.ok()) return -1;
    int64_t sum = 0;
    for (int64_t offset : *offsets) sum += std::max<int64_t>(offset, 0);
    return sum;
  }

  kafka::ClientConfig config_;
  std::string id_;
  std::string instance_;
  v1::Pipeline pipeline_;
  v1::Stage stage_;
  std::unique_ptr<kafka::Admin> admin_;
  StageMetrics::Numbers numbers_;
};

std::vector<std::string> Values(const std::vector<Read>& reads) {
  std::vector<std::string> values;
  for (const Read& read : reads) values.push_back(read.value);
  return values;
}

TEST_F(LoopsTest, AProcessorSendsOnFiltersAndBuries) {
  Write({"one", "drop", "bad", "two"});
  Capitals capitals(id_ + ".out");
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, capitals); },
                       [&] { return Committed() >= 4; })
                  .ok());
  EXPECT_EQ(numbers_.records_in, 4u);
  EXPECT_EQ(numbers_.records_out, 2u);
  EXPECT_EQ(numbers_.filtered, 1u);
  EXPECT_EQ(numbers_.dead_letters, 1u);
  const std::vector<Read> out = ReadTopic(id_ + ".out", 2);
  EXPECT_THAT(Values(out), testing::UnorderedElementsAre("ONE", "TWO"));
  EXPECT_EQ(out[0].headers.at("trace"), "t1");
  const std::vector<Read> dead = ReadTopic(id_ + ".dead", 1);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].value, "bad");
  EXPECT_EQ(dead[0].key, "k2");
  EXPECT_EQ(dead[0].headers.at("trace"), "t1");
  EXPECT_EQ(dead[0].headers.at(std::string(kErrorHeader)), "this one is bad");
  EXPECT_EQ(dead[0].headers.at(std::string(kStageHeader)), id_ + "/stage");
  EXPECT_EQ(dead[0].headers.at(std::string(kTopicHeader)), id_ + ".in");
  EXPECT_TRUE(dead[0].headers.contains(std::string(kOffsetHeader)));
}

TEST_F(LoopsTest, AResultThatTheTopicDoesNotTakeIsBuried) {
  Write({"big", "small"});
  Capitals capitals(id_ + ".out");
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, capitals); },
                       [&] { return Committed() >= 2; })
                  .ok());
  EXPECT_THAT(Values(ReadTopic(id_ + ".out", 1)), testing::ElementsAre("SMALL"));
  const std::vector<Read> dead = ReadTopic(id_ + ".dead", 1);
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].value, "big");
  EXPECT_THAT(dead[0].headers.at(std::string(kErrorHeader)), HasSubstr("max.message.bytes"));
}

TEST_F(LoopsTest, BatchesAreNoLargerThanTheTopicTakes) {
  const std::string tight = id_ + ".tight";
  ASSERT_TRUE(admin_->Create({{tight, 1, -1, {{"max.message.bytes", "50000"}}}}).ok());
  base::Random random(1);
  std::vector<std::string> values(300, std::string(1000, ' '));
  for (std::string& value : values) {
    for (char& c : value) c = static_cast<char>('A' + random.Below(26));  // does not compress
  }
  Write(values);
  Capitals capitals(tight);
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, capitals); },
                       [&] { return Committed() >= 300; })
                  .ok());
  EXPECT_THAT(Values(ReadTopic(tight, 300)), testing::UnorderedElementsAreArray(values));
  admin_->Delete({tight}).IgnoreError();
}

TEST_F(LoopsTest, ASecondRunGoesOnWhereTheFirstEnded) {
  instance_ = "worker-1";
  std::vector<std::string> values;
  for (int i = 0; i < 5000; ++i) values.push_back(base::StrCat("v", i));
  const std::vector<std::string> first(values.begin(), values.begin() + 2500);
  const std::vector<std::string> second(values.begin() + 2500, values.end());
  Capitals capitals(id_ + ".out");
  const auto loop = [&](Worker& worker) { return RunProcessor(worker, capitals); };
  Write(first);
  ASSERT_TRUE(RunUntil(loop, [&] { return Committed() >= 2500; }).ok());
  Write(second);
  ASSERT_TRUE(RunUntil(loop, [&] { return Committed() >= 5000; }).ok());
  std::vector<std::string> out = Values(ReadTopic(id_ + ".out", values.size()));
  std::sort(out.begin(), out.end());
  for (std::string& value : values) value[0] = 'V';
  std::sort(values.begin(), values.end());
  EXPECT_EQ(out, values);
}

TEST_F(LoopsTest, AtLeastOnceCommitsToo) {
  stage_.mutable_scoring()->set_delivery(v1::DELIVERY_AT_LEAST_ONCE);
  Write({"one", "two", "three"});
  Capitals capitals(id_ + ".out");
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunProcessor(worker, capitals); },
                       [&] { return Committed() >= 3; })
                  .ok());
  EXPECT_EQ(ReadTopic(id_ + ".out", 3).size(), 3u);
}

TEST_F(LoopsTest, ASinkKeepsEverythingAndBuriesWhatIsRefused) {
  Write({"one", "refused", "drop", "two", "bad", "drop"});
  Keeper keeper;
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunSink(worker, keeper); },
                       [&] { return Committed() >= 6; })
                  .ok());
  EXPECT_THAT(keeper.kept(), testing::UnorderedElementsAre("one", "two"));
  EXPECT_THAT(Values(ReadTopic(id_ + ".dead", 2)), testing::UnorderedElementsAre("refused", "bad"));
  // Each record counts once.
  EXPECT_EQ(numbers_.records_in, 6u);
  EXPECT_EQ(numbers_.records_out, 2u);
  EXPECT_EQ(numbers_.bytes_out, std::string("k0onek3two").size());
  EXPECT_EQ(numbers_.filtered, 2u);
  EXPECT_EQ(numbers_.dead_letters, 2u);
}

TEST_F(LoopsTest, ASinkThatIsDownIsTriedAgainAndNothingIsCommittedMeanwhile) {
  Write({"one", "two"});
  Keeper keeper;
  keeper.down = true;
  std::atomic<bool> checked{false};
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunSink(worker, keeper); },
                       [&] {
                         if (keeper.failures < 3) return false;
                         if (!checked.exchange(true)) {
                           EXPECT_EQ(Committed(), 0);
                           keeper.down = false;
                         }
                         return Committed() >= 2;
                       })
                  .ok());
  EXPECT_THAT(keeper.kept(), testing::UnorderedElementsAre("one", "two"));
  EXPECT_GE(numbers_.errors, 3u);
}

TEST_F(LoopsTest, TheEpochStaysOverRestarts) {
  Keeper first;
  Write({"one"});
  const auto committed = [&] { return Committed() >= 1; };
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunSink(worker, first); }, committed).ok());
  Keeper second;
  Write({"two", "three", "four", "five"});
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunSink(worker, second); },
                       [&] { return Committed() >= 5; })
                  .ok());
  // Partitions without a commit get the time of their first assignment, which differs by run.
  EXPECT_TRUE(std::any_of(second.epochs.begin(), second.epochs.end(),
                          [&](int64_t epoch) { return first.epochs.contains(epoch); }));
}

}  // namespace
}  // namespace levada::runtime
