// State over failures, on a real Kafka (LEVADA_KAFKA): a processor that counts by key, whose
// sessions end in every place they can.

#include "core/runtime/stateful.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "core/base/random.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/kafka/admin.h"
#include "core/kafka/log_reader.h"
#include "core/kafka/producer.h"
#include "core/runtime/worker.h"

namespace levada::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

constexpr int kPartitions = 3;

// Where a session may be ended.
enum class Phase { kProcess, kRestore, kTick, kTickAfterCheckpoint };

// Sends on, for each event, how many there were with its key: "a=1", "a=2", … With a table, only
// of keys that the table has.
class Counting : public Processor, public Stateful {
 public:
  Counting(std::string output, std::string changelog, std::vector<std::string> tables = {})
      : topics_({std::move(output)}),
        changelog_(std::move(changelog)),
        table_topics_(std::move(tables)) {}

  // Ends the session when it returns true; may be called from the loop's thread only.
  std::function<bool(Phase)> ends = [](Phase) { return false; };
  std::atomic<int> restored{0};  // records

  const std::vector<std::string>& output_topics() const override { return topics_; }
  Stateful* state() override { return this; }

  absl::Status Process(const Batch& in, OutputBatch* out) override {
    checkpointed_ = false;
    for (size_t i = 0; i < in.size(); ++i) {
      const std::string key(in[i].key);
      if (!table_topics_.empty() && !rows_.contains(key)) {
        ++out->filtered;
        continue;
      }
      auto& counts = partitions_.at(in[i].partition);
      changed_[in[i].partition].insert(key);
      OutputRecord result;
      result.source = static_cast<int32_t>(i);
      result.key = in[i].key;
      result.has_key = true;
      result.begin = static_cast<uint32_t>(out->buffer().size());
      base::StrAppend(&out->buffer(), key, "=", ++counts[key]);
      result.size = static_cast<uint32_t>(out->buffer().size() - result.begin);
      out->records().push_back(result);
    }
    return End(Phase::kProcess);
  }

  const std::vector<std::string>& tables() const override { return table_topics_; }
  void UpdateTable(size_t, const Batch& records) override {
    for (const Record& record : records.records()) {
      record.has_value ? (void)rows_.insert(std::string(record.key))
                       : (void)rows_.erase(std::string(record.key));
    }
  }
  const std::string& changelog() const override { return changelog_; }
  void Assign(int32_t partition, int32_t of) override {
    EXPECT_EQ(of, kPartitions);
    partitions_[partition].clear();
  }
  absl::Status Restore(const Batch& records) override {
    for (const Record& record : records.records()) {
      partitions_.at(record.partition)[std::string(record.key)] =
          std::stoi(std::string(record.value));
      ++restored;
    }
    return records.empty() ? absl::OkStatus() : End(Phase::kRestore);
  }
  void Restored(int32_t partition) override { EXPECT_TRUE(partitions_.contains(partition)); }
  void Release(int32_t partition) override {
    partitions_.erase(partition);
    changed_.erase(partition);
  }
  void Checkpoint(OutputBatch* changes) override {
    for (auto& [partition, keys] : changed_) {
      for (const std::string& key : keys) {
        OutputRecord record;
        record.partition = partition;
        record.key = changes->KeepKey(key);
        record.has_key = true;
        record.begin = static_cast<uint32_t>(changes->buffer().size());
        base::StrAppend(&changes->buffer(), partitions_.at(partition).at(key));
        record.size = static_cast<uint32_t>(changes->buffer().size() - record.begin);
        changes->records().push_back(record);
      }
    }
    changed_.clear();
    checkpointed_ = true;
  }
  absl::Status Tick(int64_t, OutputBatch*) override {
    return End(checkpointed_ ? Phase::kTickAfterCheckpoint : Phase::kTick);
  }
  void Reset() override {
    partitions_.clear();
    changed_.clear();
    rows_.clear();
    checkpointed_ = false;
  }

 private:
  absl::Status End(Phase phase) {
    return ends(phase) ? absl::AbortedError("ended by the test") : absl::OkStatus();
  }

  const std::vector<std::string> topics_;
  const std::string changelog_;
  const std::vector<std::string> table_topics_;
  std::map<int32_t, std::map<std::string, int>> partitions_;
  std::map<int32_t, std::set<std::string>> changed_;
  std::set<std::string> rows_;
  bool checkpointed_ = false;
};

class StatefulTest : public testing::Test {
 protected:
  void SetUp() override {
    const char* brokers = std::getenv("LEVADA_KAFKA");
    ASSERT_NE(brokers, nullptr) << "needs a Kafka: ./dev test starts one";
    config_.brokers = brokers;
    id_ = base::StrCat("stateful-", base::RandomSeed() % 1'000'000'000);
    in_ = id_ + ".in";
    out_ = id_ + ".out";
    log_ = id_ + ".changelog";
    table_ = id_ + ".table";
    pipeline_.mutable_metadata()->set_name(id_);
    pipeline_.mutable_spec()->mutable_dead_letters()->set_topic(id_ + ".dead");
    pipeline_.mutable_spec()->add_topics()->set_name(in_);
    stage_.set_name("stage");
    stage_.mutable_scoring()->set_commit_interval("30ms");
    auto admin = kafka::Admin::Create(config_);
    ASSERT_TRUE(admin.ok());
    admin_ = *std::move(admin);
    const std::map<std::string, std::string> compact = {{"cleanup.policy", "compact"}};
    ASSERT_TRUE(admin_
                    ->Create({{in_, kPartitions, -1, {}},
                              {out_, 1, -1, {}},
                              {id_ + ".dead", 1, -1, {}},
                              {log_, kPartitions, -1, compact},
                              {table_, 2, -1, compact}})
                    .ok());
  }

  void TearDown() override {
    if (admin_) admin_->Delete({in_, out_, id_ + ".dead", log_, table_}).IgnoreError();
  }

  // A record for each key; an empty `value` is a tombstone.
  void Write(const std::string& topic, const std::vector<std::string>& keys,
             const std::string& value = "x") {
    auto producer = kafka::Producer::Create({.client = config_}, nullptr);
    ASSERT_TRUE(producer.ok());
    const int number = (*producer)->AddTopic(topic);
    for (const std::string& key : keys) {
      kafka::Outgoing record;
      record.topic = number;
      record.key = key;
      record.has_key = true;
      record.value = value;
      record.has_value = !value.empty();
      ASSERT_TRUE((*producer)->Produce(record).ok());
    }
    ASSERT_TRUE((*producer)->Flush(seconds(30)).ok());
  }

  // What is committed in a topic, sorted.
  std::vector<std::string> Values(const std::string& topic, int partitions) {
    auto reader = kafka::LogReader::Open(config_, topic);
    EXPECT_TRUE(reader.ok());
    for (int i = 0; i < partitions; ++i) EXPECT_TRUE((*reader)->Add(i).ok());
    std::vector<std::string> values;
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    while (!(*reader)->caught_up() && std::chrono::steady_clock::now() < until) {
      auto batch = (*reader)->Poll(1000, milliseconds(100));
      if (!batch.ok()) continue;
      for (const Record& record : batch->records()) values.emplace_back(record.value);
    }
    EXPECT_TRUE((*reader)->caught_up());
    std::sort(values.begin(), values.end());
    return values;
  }

  // A worker in a thread of its own.
  class Running {
   public:
    Running(StatefulTest* test, Counting& counting, std::string instance = "")
        : metrics_(registry_, {}),
          context_{
              test->pipeline_, test->stage_, secrets_, test->config_, metrics_, registry_, control_,
              false,           "",           ""},
          worker_{context_,           control_,  metrics_,           test->config_,
                  test->id_ + ".grp", test->in_, std::move(instance)},
          thread_([this, &counting] { status_ = RunProcessor(worker_, counting); }) {}
    ~Running() { Drain().IgnoreError(); }

    absl::Status Drain() {
      control_.Drain();
      if (thread_.joinable()) thread_.join();
      return status_;
    }
    Control& control() { return control_; }

   private:
    Control control_;
    prometheus::Registry registry_;
    StageMetrics metrics_;
    base::Secrets secrets_;
    StageContext context_;
    Worker worker_;
    absl::Status status_;
    std::thread thread_;
  };

  bool Eventually(const std::function<bool()>& done) {
    const auto until = std::chrono::steady_clock::now() + seconds(60);
    while (!done() && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(20));
    }
    return done();
  }

  int64_t Committed() {
    auto offsets = admin_->Committed(id_ + ".grp", in_);
    if (!offsets.ok()) return -1;
    int64_t sum = 0;
    for (const int64_t offset : *offsets) sum += std::max<int64_t>(offset, 0);
    return sum;
  }

  kafka::ClientConfig config_;
  std::string id_, in_, out_, log_, table_;
  v1::Pipeline pipeline_;
  v1::Stage stage_;
  std::unique_ptr<kafka::Admin> admin_;
};

constexpr int kKeys = 20;

std::vector<std::string> Keys(int count) {
  std::vector<std::string> keys;
  for (int i = 0; i < count; ++i) keys.push_back(base::StrCat("k", i % kKeys));
  return keys;
}

// "k0=1" … each once.
std::vector<std::string> Counts(int count) {
  std::vector<std::string> counts;
  for (int i = 0; i < count; ++i)
    counts.push_back(base::StrCat("k", i % kKeys, "=", i / kKeys + 1));
  std::sort(counts.begin(), counts.end());
  return counts;
}

class EndedInAPhase : public StatefulTest, public testing::WithParamInterface<Phase> {};

TEST_P(EndedInAPhase, EachEventCountsOnce) {
  Counting counting(out_, log_);
  base::Random random(7);
  std::atomic<int> ended{0};
  // Once there is something to restore.
  counting.ends = [&](Phase phase) {
    if (phase != GetParam() || ended == 5 || Committed() < 100) return false;
    if (random.Below(3) != 0) return false;
    ++ended;
    return true;
  };
  int written = 0;
  {
    Running worker(this, counting, "one");
    const bool on_its_own = GetParam() != Phase::kRestore;
    while (written < 1500 || (on_its_own && ended < 5 && written < 30'000)) {
      Write(in_, Keys(100));
      written += 100;
      ASSERT_TRUE(Eventually([&] { return Committed() > written - 300; }))
          << worker.control().message();
    }
    // A session that is ended in Restore needs one before it that is ended elsewhere.
    if (!on_its_own) {
      counting.ends = [&](Phase phase) {
        return ended < 6 && (phase == Phase::kRestore || ended == 0) && ++ended > 0;
      };
    }
    ASSERT_TRUE(Eventually([&] { return Committed() >= written && ended >= 5; })) << ended;
    ASSERT_TRUE(worker.Drain().ok());
  }
  EXPECT_EQ(Values(out_, 1), Counts(written));
}

INSTANTIATE_TEST_SUITE_P(Phases, EndedInAPhase,
                         testing::Values(Phase::kProcess, Phase::kRestore, Phase::kTick));

TEST_F(StatefulTest, StateGoesWithItsPartitions) {
  Counting first(out_, log_);
  Counting second(out_, log_);
  int written = 0;
  const auto write = [&] {
    for (int i = 0; i < 10; ++i) Write(in_, Keys(100)), written += 100;
  };
  {
    Running one(this, first);
    write();
    ASSERT_TRUE(Eventually([&] { return Committed() > 0; }));
    for (int i = 0; i < 3; ++i) {
      const int before = second.restored;
      Running two(this, second);
      write();
      ASSERT_TRUE(Eventually([&] { return second.restored > before; }));
      write();
      ASSERT_TRUE(two.Drain().ok());
    }
    write();
    ASSERT_TRUE(Eventually([&] { return Committed() >= written; })) << one.control().message();
    ASSERT_TRUE(one.Drain().ok());
  }
  EXPECT_EQ(Values(out_, 1), Counts(written));
}

TEST_F(StatefulTest, AnInputThatGrewAwayFromItsStateIsRefused) {
  Counting counting(out_, log_);
  Running worker(this, counting);
  Write(in_, Keys(40));
  ASSERT_TRUE(Eventually([&] { return Committed() >= 40; }));
  ASSERT_TRUE(admin_->Grow(in_, 4).ok());
  ASSERT_TRUE(Eventually([&] {
    return worker.control().message().find("keys have come to other partitions") !=
           std::string::npos;
  })) << worker.control().message();
  EXPECT_THAT(worker.control().message(),
              HasSubstr(in_ + " has 4 partitions, but its state, " + log_ + ", has 3"));
}

TEST_F(StatefulTest, TablesAreThereBeforeTheFirstEventAndAreFollowed) {
  Write(table_, Keys(kKeys - 1));
  Write(in_, Keys(kKeys));  // of which the last has no row
  Counting counting(out_, log_, {table_});
  Running worker(this, counting);
  ASSERT_TRUE(Eventually([&] { return Committed() >= kKeys; })) << worker.control().message();
  EXPECT_EQ(Values(out_, 1), Counts(kKeys - 1));
  Write(table_, {base::StrCat("k", kKeys - 1)});
  Write(table_, {"k0"}, "");
  // The table is followed by a reader of its own: an event may be earlier.
  ASSERT_TRUE(Eventually([&] {
    Write(in_, {base::StrCat("k", kKeys - 1)});
    std::this_thread::sleep_for(milliseconds(200));
    return Values(out_, 1).size() >= kKeys;
  }));
  const int64_t before = Committed();
  const size_t results = Values(out_, 1).size();
  std::this_thread::sleep_for(milliseconds(200));
  Write(in_, {"k0"});
  ASSERT_TRUE(Eventually([&] { return Committed() > before; }));
  EXPECT_EQ(Values(out_, 1).size(), results);
  ASSERT_TRUE(worker.Drain().ok());
}

// A log is read from its beginning each time a partition is added, whatever was left in the
// client's queue.
TEST_F(StatefulTest, APartitionThatComesAgainIsReadAnew) {
  Write(log_, Keys(3000));
  auto reader = kafka::LogReader::Open(config_, log_);
  ASSERT_TRUE(reader.ok());
  for (int round = 0; round < 30; ++round) {
    ASSERT_TRUE((*reader)->Add(0).ok());
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    int64_t first = -1;
    while (first < 0 && std::chrono::steady_clock::now() < until) {
      auto batch = (*reader)->Poll(10, milliseconds(100));
      if (batch.ok() && !batch->empty()) first = (*batch)[0].offset;
    }
    EXPECT_EQ(first, 0) << "round " << round;
    ASSERT_TRUE((*reader)->Remove(0).ok());
  }
}

}  // namespace
}  // namespace levada::runtime
