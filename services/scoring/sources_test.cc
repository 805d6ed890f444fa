// Event time over re-keyed topics: the clocks of sources, and two and three stages one behind the
// other, whose partitions are read in any order and at any speed.

#include "services/scoring/state/sources.h"

#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "core/base/time.h"
#include "core/expr/hash.h"
#include "core/pipeline/manifest.h"
#include "core/record/headers.h"
#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

TEST(SourceTimeTest, IsATextAndBack) {
  for (const SourceTime& told :
       {SourceTime{0, 1}, SourceTime{3, 6, 1'750'000'000'000'000}, SourceTime{5, 6, -7, true},
        SourceTime{99'999, 100'000, kNoTime, true}}) {
    SourceTime read;
    ASSERT_TRUE(read.Read(told.Text())) << told.Text();
    EXPECT_EQ(read.Text(), told.Text());
    EXPECT_EQ(read.time_us, told.time_us);
  }
  EXPECT_EQ((SourceTime{3, 6, 17, true}.Text()), "3/6 17 idle");
  SourceTime read;
  for (const char* text :
       {"", "3", "3/", "/6", "3/6 ", "3/6 x", "3/6 17 ", "3/6 idle 17", "-1/6 17", "100000/6 17",
        "3/100001 17", "3/6 17 idle idle", "3/6 99999999999999999999"}) {
    EXPECT_FALSE(read.Read(text)) << text;
  }
}

TEST(SourcesTest, TheTimeIsThatOfTheSourceFarthestBehind) {
  Sources sources;
  sources.Take({0, 3, 100});
  EXPECT_EQ(sources.time_us(), kNoTime) << "of two nothing is known: they may not have been read";
  sources.Take({1, 3, 50});
  sources.Take({2, 3, 70});
  EXPECT_EQ(sources.time_us(), 50);
  sources.Take({1, 3, 40});
  EXPECT_EQ(sources.time_us(), 50) << "a source's own time does not go back";
  sources.Take({1, 3, 90});
  EXPECT_EQ(sources.time_us(), 70);
  sources.Take({2, 3, 70, true});
  EXPECT_EQ(sources.time_us(), 90);
  sources.Take({0, 3, 100, true});
  sources.Take({1, 3, 90, true});
  EXPECT_EQ(sources.time_us(), 100) << "all are idle: nothing is waited for";
  EXPECT_TRUE(sources.idle());
  sources.Take({2, 3, 75});
  EXPECT_EQ(sources.time_us(), 75) << "whose clock it is does not let it go back";
  sources.Take({3, 4, 200});
  EXPECT_EQ(sources.time_us(), 75) << "the topic has grown";
  sources.Take({4, 0, 60});
  EXPECT_EQ(sources.time_us(), 60) << "who does not know how many there are";
}

// A stage of a plan, its partitions each a queue, that goes from worker to worker by its changelog.
class Hop {
 public:
  // A record with its memory.
  struct Kept {
    std::string key, value, source;
    bool has_value = true;
    int64_t timestamp_ms = 0;
  };

  Hop(const v1::Pipeline& slice, std::string stage, int partitions)
      : yaml_(pipeline::ToYaml(slice)), stage_(std::move(stage)), queues_(partitions) {
    Begin();
  }

  // A new worker, with what the last one has written down.
  void Begin() {
    worker_.emplace(yaml_, stage_);
    chain_ = worker_->MakeChain();
    ASSERT_NE(chain_, nullptr);
    runtime::Stateful& state = *static_cast<runtime::Processor&>(*chain_).state();
    for (int i = 0; i < partitions(); ++i) {
      state.Assign(i, partitions());
      std::vector<Record> records;
      for (const auto& [key, value] : changelog_[i]) {
        records.push_back({.key = key, .value = value, .partition = i, .has_key = true});
      }
      ASSERT_TRUE(state.Restore(Batch("changelog", records, nullptr)).ok());
      state.Restored(i);
    }
  }

  int partitions() const { return static_cast<int>(queues_.size()); }
  void Push(int partition, Kept record) { queues_[partition].push_back(std::move(record)); }
  void Clear(int partition) { queues_[partition].clear(); }
  bool empty(int partition) const { return queues_[partition].empty(); }

  // Reads up to `count` records of a partition; what comes of them.
  std::vector<OutputRecord> Read(int partition, int count) {
    read_.clear();
    std::vector<Record> records;
    for (; count > 0 && !empty(partition); --count) {
      const Kept& kept = *read_.insert(read_.end(), std::move(queues_[partition].front()));
      queues_[partition].pop_front();
      records.push_back({.key = kept.key,
                         .value = kept.value,
                         .timestamp_ms = kept.timestamp_ms,
                         .partition = partition,
                         .has_key = true,
                         .has_value = kept.has_value,
                         .native = &kept});
    }
    class Owner : public BatchOwner {
      void ReadHeaders(const Record& record, std::vector<Header>* headers) const override {
        const auto& kept = *static_cast<const Kept*>(record.native);
        if (!kept.source.empty()) headers->push_back({kSourceHeader, kept.source});
      }
    };
    out_.Clear();
    EXPECT_TRUE(chain_->Process(Batch("in", records, std::make_shared<Owner>()), &out_).ok());
    EXPECT_TRUE(out_.dead_letters().empty()) << out_.dead_letters()[0].error;
    return out_.records();
  }

  std::vector<OutputRecord> Tick(int64_t now_ms) {
    runtime::Stateful& state = *static_cast<runtime::Processor&>(*chain_).state();
    std::vector<int32_t> at_end;
    for (int i = 0; i < partitions(); ++i) {
      if (empty(i)) at_end.push_back(i);
    }
    state.SetAtEnd(at_end);
    out_.Clear();
    EXPECT_TRUE(state.Tick(now_ms, &out_).ok());
    return out_.records();
  }

  void Checkpoint() {
    OutputBatch changes;
    static_cast<runtime::Processor&>(*chain_).state()->Checkpoint(&changes);
    for (const OutputRecord& change : changes.records()) {
      auto& log = changelog_[change.partition];
      if (change.has_value) {
        log[std::string(change.key)] = changes.Value(change);
      } else {
        log.erase(std::string(change.key));
      }
    }
  }

  // A snapshot is what the changelog has.
  void ExpectSnapshot() {
    runtime::Stateful& state = *static_cast<runtime::Processor&>(*chain_).state();
    for (int i = 0; i < partitions(); ++i) {
      const auto walk = state.Walk(i);
      ASSERT_NE(walk, nullptr);
      std::map<std::string, std::string> found;
      const auto keep = [&](std::string_view key, std::string_view value) {
        found[std::string(key)] = value;
      };
      while (*walk->Next(1000, keep)) continue;
      EXPECT_EQ(found, changelog_[i]) << i;
    }
  }

  // The records of the last Read or Tick go to the next stage.
  void Pass(const std::vector<OutputRecord>& records, Hop* next) {
    for (const OutputRecord& record : records) {
      const Kept kept{std::string(record.key),
                      record.has_value ? std::string(out_.Value(record)) : "",
                      std::string(record.origin), record.has_value, record.timestamp_ms};
      if (record.partition == OutputRecord::kEveryPartition) {
        for (int i = 0; i < next->partitions(); ++i) next->Push(i, kept);
      } else {
        next->Push((expr::Murmur2(kept.key) & 0x7fffffff) % next->partitions(), kept);
      }
    }
  }
  std::string Value(const OutputRecord& record) const { return std::string(out_.Value(record)); }
  const std::vector<std::string>& topics() const { return chain_->output_topics(); }

 private:
  const std::string yaml_;
  const std::string stage_;
  std::vector<std::deque<Kept>> queues_;
  std::map<int, std::map<std::string, std::string>> changelog_;
  std::optional<TestStage> worker_;
  std::unique_ptr<Chain> chain_;
  std::deque<Kept> read_;
  OutputBatch out_;
};

constexpr char kTwoStages[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, partitions: 4, key: user, timestamp: at, fields: [{name: at, type: timestamp}, {name: user, type: string}, {name: shop, type: string}]}
  - {name: out}
  - {name: late}
  stages:
  - name: count
    scoring:
      from: in
      to: out
      steps:
      - filter: event.user != "nobody"
      - window: {by: [shop], tumbling: 1m, lateness: 5s, lateTo: late, set: [{name: count, value: count()}]}
)";

// The events go through a topic by shop first, and from there by street.
constexpr char kThreeStages[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, partitions: 4, key: user, timestamp: at, fields: [{name: at, type: timestamp}, {name: user, type: string}, {name: shop, type: string}, {name: street, type: string}]}
  - {name: out}
  - {name: late}
  stages:
  - name: count
    scoring:
      from: in
      to: out
      steps:
      - dedup: {by: [shop, event.id], within: 1h}
      - window: {by: [street], tumbling: 1m, lateness: 5s, lateTo: late, set: [{name: count, value: count()}]}
)";

class SourcesChainTest : public testing::TestWithParam<const char*> {
 protected:
  static constexpr int64_t kBeginMs = 1'750'000'000'000;
  static constexpr int kPartitions = 4;
  static constexpr int kEvents = 600;  // a partition

  void SetUp() override {
    auto read = pipeline::LoadPipeline(GetParam(), "test.yaml");
    ASSERT_TRUE(read.ok()) << read.status();
    for (const pipeline::PlannedStage& stage : pipeline::Compile(*read).stages) {
      hops_.push_back(std::make_unique<Hop>(stage.slice, stage.name, kPartitions));
    }
    ASSERT_EQ(hops_.size(), GetParam() == kTwoStages ? 2u : 3u);
    for (int partition = 0; partition < kPartitions; ++partition) Fill(partition);
  }

  // Events of an hour, a little out of order.
  void Fill(int partition) {
    for (int i = 0; i < kEvents; ++i) {
      const int64_t at_ms =
          kBeginMs + int64_t{3'600'000} * i / kEvents - static_cast<int64_t>(random_() % 4000);
      // The last partition's events are all of one shop: others hear of it only by marks.
      const int shop = partition == 3 ? 0 : static_cast<int>(random_() % 7);
      const nlohmann::json event = {{"id", base::StrCat(partition, "-", i)},
                                    {"at", at_ms},
                                    {"user", "u"},
                                    {"shop", base::StrCat("s", shop)},
                                    {"street", base::StrCat("t", shop % 3)}};
      hops_[0]->Push(partition, {"u", event.dump(), "", true, kBeginMs + 7'200'000});
      ++expected_[{event[hops_.size() == 2 ? "shop" : "street"], at_ms / 60'000 * 60'000}];
    }
  }

  // Each stage reads something of some partition, but not the first stage of what is `left_out`.
  void Step(const std::set<int>& left_out = {}) {
    for (size_t hop = 0; hop < hops_.size(); ++hop) {
      const int partition = static_cast<int>(random_() % kPartitions);
      if (hop > 0 || !left_out.contains(partition)) {
        Take(hop, hops_[hop]->Read(partition, static_cast<int>(random_() % 40)));
      }
    }
    if (random_() % 4 == 0) Tick(100);
    if (random_() % 30 == 0) {
      Hop& hop = *hops_[random_() % hops_.size()];
      hop.Checkpoint();
      hop.ExpectSnapshot();
      hop.Begin();
    }
  }
  void Tick(int64_t passed_ms) {
    now_ms_ += passed_ms;
    for (size_t hop = 0; hop < hops_.size(); ++hop) Take(hop, hops_[hop]->Tick(now_ms_));
  }
  bool AllRead(const std::set<int>& left_out = {}) const {
    for (size_t hop = 0; hop < hops_.size(); ++hop) {
      for (int partition = 0; partition < kPartitions; ++partition) {
        if (hop == 0 && left_out.contains(partition)) continue;
        if (!hops_[hop]->empty(partition)) return false;
      }
    }
    return true;
  }
  void ReadAll(const std::set<int>& left_out = {}) {
    while (!AllRead(left_out)) Step(left_out);
  }
  // So long that what comes no more is idle.
  void Wait(const std::set<int>& left_out = {}) {
    for (int i = 0; i < 50; ++i) {
      Tick(1000);
      ReadAll(left_out);
    }
  }

  void Take(size_t number, const std::vector<OutputRecord>& records) {
    Hop& hop = *hops_[number];
    if (number + 1 < hops_.size()) return hop.Pass(records, hops_[number + 1].get());
    for (const OutputRecord& record : records) {
      ASSERT_EQ(hop.topics()[record.topic], "out") << hop.Value(record);
      const auto result = nlohmann::json::parse(hop.Value(record));
      const int64_t start_us = *base::ParseTimestamp(result["window_start"].get<std::string>());
      const std::string by = result.value("shop", result.value("street", ""));
      EXPECT_TRUE(found_.try_emplace({by, start_us / 1000}, result["count"]).second) << "twice";
    }
  }
  void ExpectAll() {
    Hop& last = *hops_.back();
    Take(hops_.size() - 1, last.Tick(runtime::Stateful::kEnd));
    EXPECT_EQ(found_, expected_);
  }

  std::mt19937 random_{17};
  std::vector<std::unique_ptr<Hop>> hops_;
  using Counts = std::map<std::pair<std::string, int64_t>, int>;
  Counts expected_, found_;
  int64_t now_ms_ = kBeginMs + 7'200'000;
};

TEST_P(SourcesChainTest, WhateverIsReadFirstNothingIsLate) {
  ReadAll();
  Wait();
  EXPECT_GT(found_.size(), expected_.size() * 9 / 10) << "most windows are closed by time";
  ExpectAll();
}

TEST_P(SourcesChainTest, APartitionThatIsNotReadHoldsTimeBackUntilItIs) {
  for (const int partition : {0, 3}) {
    SCOPED_TRACE(partition);
    hops_.clear();
    expected_.clear();
    found_.clear();
    SetUp();
    ReadAll({partition});
    Wait({partition});
    EXPECT_TRUE(found_.empty()) << found_.size();
    ReadAll();
    Wait();
    EXPECT_GT(found_.size(), expected_.size() * 9 / 10);
    ExpectAll();
  }
}

TEST_P(SourcesChainTest, APartitionThatComesToRestHoldsNothingBack) {
  hops_[0]->Clear(2);
  ReadAll();
  Tick(1000);
  ReadAll();
  EXPECT_TRUE(found_.empty()) << "it may only be slow";
  Wait();
  EXPECT_GT(found_.size(), 50u);
}

INSTANTIATE_TEST_SUITE_P(Stages, SourcesChainTest, testing::Values(kTwoStages, kThreeStages));

TEST(PartitionTest, ARecordOfAPartitionWithoutStateEndsTheSession) {
  TestStage stage(ManifestWith("      - dedup: {by: [id], within: 1h}\n"));
  const auto chain = stage.MakeChain();
  runtime::Stateful& state = *static_cast<runtime::Processor&>(*chain).state();
  state.Assign(1, 2);
  OutputBatch out;
  const Batch batch = Batch::FromValues("in", {R"({"id":1})"});
  EXPECT_EQ(chain->Process(batch, &out).code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(out.dead_letters().empty());
  state.Assign(0, 2);
  EXPECT_TRUE(chain->Process(batch, &out).ok());
}

}  // namespace
}  // namespace levada::scoring
