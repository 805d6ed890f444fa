// The step `dedup` where events of several partitions come together by another key, each of them at
// another time. What it does within one partition is in testdata/pipelines/dedup.yaml.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "core/pipeline/manifest.h"
#include "core/pipeline/plan.h"
#include "core/record/headers.h"
#include "services/scoring/testing.h"

namespace levada::scoring {
namespace {

constexpr int64_t kBeginMs = 1'777'636'800'000;
constexpr int64_t kWithinMs = 600'000;

constexpr char kManifest[] = R"(apiVersion: levada.dev/v1alpha1
kind: Pipeline
metadata: {name: test}
spec:
  topics:
  - {name: in, partitions: 2, key: user, timestamp: at, fields: [{name: at, type: timestamp}, {name: id, type: string}, {name: user, type: string}]}
  - {name: out}
  stages:
  - name: once
    scoring:
      from: in
      steps: [{dedup: {by: [id], within: 10m}}]
      to: out
)";

class DedupTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto read = pipeline::LoadPipeline(kManifest, "test.yaml");
    ASSERT_TRUE(read.ok()) << read.status();
    const pipeline::Plan plan = pipeline::Compile(*read);
    ASSERT_EQ(plan.stages.size(), 2u);
    stage_.emplace(pipeline::ToYaml(plan.stages[1].slice), plan.stages[1].name);
    Begin();
  }

  // A new worker, with what the last one has written down.
  void Begin() {
    if (chain_ != nullptr) {
      OutputBatch changes;
      chain_->state()->Checkpoint(&changes);
      for (const OutputRecord& change : changes.records()) {
        if (change.has_value) {
          changelog_[std::string(change.key)] = changes.Value(change);
        } else {
          changelog_.erase(std::string(change.key));
        }
      }
    }
    chain_ = stage_->MakeChain();
    ASSERT_NE(chain_, nullptr);
    chain_->state()->Assign(0, 1);
    std::vector<Record> records;
    for (const auto& [key, value] : changelog_) {
      records.push_back({.key = key, .value = value, .has_key = true});
    }
    ASSERT_TRUE(chain_->state()->Restore(Batch("changelog", records, nullptr)).ok());
    chain_->state()->Restored(0);
  }

  // Whether the event is kept. It comes from a source, of two, whose time it makes its own.
  bool Keeps(int source, int64_t after_ms, std::string_view id) {
    class Owner : public BatchOwner {
     public:
      explicit Owner(std::string source) : source_(std::move(source)) {}
      void ReadHeaders(const Record&, std::vector<Header>* headers) const override {
        headers->push_back({kSourceHeader, source_});
      }

     private:
      const std::string source_;
    };
    const int64_t at_ms = kBeginMs + after_ms;
    const std::string value = base::StrCat(R"({"id":")", id, R"(","at":)", at_ms, "}");
    const Record record{.key = id,
                        .value = value,
                        .timestamp_ms = at_ms + 36'000'000,
                        .has_key = true,
                        .native = this};
    out_.Clear();
    const auto owner = std::make_shared<Owner>(base::StrCat(source, "/2 ", at_ms * 1000));
    EXPECT_TRUE(chain_->Process(Batch("in", {record}, owner), &out_).ok());
    EXPECT_TRUE(out_.dead_letters().empty()) << out_.dead_letters()[0].error;
    return !out_.records().empty();
  }

 private:
  std::optional<TestStage> stage_;
  std::unique_ptr<Chain> chain_;
  std::map<std::string, std::string> changelog_;
  OutputBatch out_;
};

TEST_F(DedupTest, ASecondCopyIsDroppedWhoeverIsAhead) {
  EXPECT_TRUE(Keeps(0, 7'200'000, "a"));
  EXPECT_TRUE(Keeps(1, 0, "a")) << "two hours before";
  EXPECT_FALSE(Keeps(1, 60'000, "a")) << "a minute after that";
  EXPECT_FALSE(Keeps(0, 7'260'000, "a"));
}

TEST_F(DedupTest, WhatIsFartherApartIsNoCopyHoweverFarTheOtherSourceIsBehind) {
  EXPECT_TRUE(Keeps(1, 0, "b"));
  EXPECT_TRUE(Keeps(0, 0, "a"));
  EXPECT_TRUE(Keeps(0, 3'600'000, "a"));
  EXPECT_FALSE(Keeps(0, 3'700'000, "a"));
}

TEST_F(DedupTest, OfAKeyTheLast1024TimesAreKnown) {
  constexpr int kEvents = 1025;
  constexpr int64_t kApartMs = kWithinMs * 11 / 10;
  EXPECT_TRUE(Keeps(1, 0, "b"));
  for (int i = 1; i <= kEvents; ++i) ASSERT_TRUE(Keeps(0, i * kApartMs, "a")) << i;
  Begin();
  EXPECT_TRUE(Keeps(1, kApartMs, "a")) << "as the first, which is forgotten";
  EXPECT_FALSE(Keeps(1, 2 * kApartMs, "a")) << "as the second";
}

TEST_F(DedupTest, InAnyOrderOfTheSourcesACopyIsWhatIsNearToWhatWasKept) {
  std::mt19937 random(5);
  int64_t now_ms[2] = {0, 0};
  std::map<std::string, std::vector<int64_t>> kept;
  int dropped = 0;
  for (int i = 0; i < 5'000; ++i) {
    // Runs of one source, then of the other.
    const int source = static_cast<int>(random() % 40 == 0 ? random() % 2 : i / 300 % 2);
    now_ms[source] += random() % 60'000;
    const std::string id(1, static_cast<char>('a' + random() % 6));
    bool copy = false;
    for (const int64_t time : kept[id]) copy |= std::abs(time - now_ms[source]) <= kWithinMs;
    ASSERT_EQ(Keeps(source, now_ms[source], id), !copy) << i;
    if (!copy) kept[id].push_back(now_ms[source]);
    dropped += copy ? 1 : 0;
    if (i % 700 == 0) Begin();
  }
  EXPECT_GT(dropped, 1'000);
}

}  // namespace
}  // namespace levada::scoring
