// A Sink's loop on a real Kafka.

#include <atomic>
#include <mutex>
#include <set>

#include "core/runtime/testing.h"

namespace levada::runtime {
namespace {

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

using SinkLoopTest = LoopTest;

TEST_F(SinkLoopTest, ASinkKeepsEverythingAndBuriesWhatIsRefused) {
  Write({"one", "refused", "drop", "two", "bad", "drop"});
  Keeper keeper;
  ASSERT_TRUE(RunUntil([&](Worker& worker) { return RunSink(worker, keeper); },
                       [&] { return Committed() >= 6; })
                  .ok());
  EXPECT_THAT(keeper.kept(), testing::UnorderedElementsAre("one", "two"));
  EXPECT_THAT(Values(ReadTopic(scene_.dead, 2)), testing::UnorderedElementsAre("refused", "bad"));
  // Each record counts once.
  EXPECT_EQ(numbers_.records_in, 6u);
  EXPECT_EQ(numbers_.records_out, 2u);
  EXPECT_EQ(numbers_.bytes_out, std::string("k0onek3two").size());
  EXPECT_EQ(numbers_.filtered, 2u);
  EXPECT_EQ(numbers_.dead_letters, 2u);
}

TEST_F(SinkLoopTest, ASinkThatIsDownIsTriedAgainAndNothingIsCommittedMeanwhile) {
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

TEST_F(SinkLoopTest, TheEpochStaysOverRestarts) {
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
