#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/kafka/log_reader.h"
#include "core/runtime/stateful.h"
#include "core/runtime/testing.h"

// For tests of state over failures.
namespace levada::runtime {

// Where a session may be ended. kCommit: while the commit of what Checkpoint gave is under way.
enum class Phase { kProcess, kRestore, kTick, kCommit };

// A copy of what is kept of a partition, a few keys at a time.
class CopyWalk : public StateWalk {
 public:
  explicit CopyWalk(std::map<std::string, int> counts) : counts_(std::move(counts)) {}
  absl::StatusOr<bool> Next(size_t, const Visit& visit) override {
    for (int i = 0; i < 3 && !counts_.empty(); ++i) {
      visit(counts_.begin()->first, base::StrCat(counts_.begin()->second));
      counts_.erase(counts_.begin());
    }
    return !counts_.empty();
  }

 private:
  std::map<std::string, int> counts_;
};

// Sends on, for each event, how many there were with its key: "a=1", "a=2", … With a table, only
// of keys that the table has.
class Counting : public Processor, public Stateful {
 public:
  Counting(std::string output, std::string changelog, std::vector<std::string> tables = {})
      : topics_({std::move(output)}),
        changelog_(std::move(changelog)),
        table_topics_(std::move(tables)) {}

  // Ends the session when it returns true; called from the loop's thread only.
  std::function<bool(Phase)> ends = [](Phase) { return false; };
  // How much is committed, for kCommit.
  std::function<uint64_t()> committed = [] { return 0; };
  std::atomic<int> restored{0};  // records

  const std::vector<std::string>& output_topics() const override { return topics_; }
  Stateful* state() override { return this; }

  absl::Status Process(const Batch& in, OutputBatch* out) override {
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
  void Assign(int32_t partition, int32_t) override { partitions_[partition].clear(); }
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
  std::unique_ptr<StateWalk> Walk(int32_t partition) override {
    return std::make_unique<CopyWalk>(partitions_.at(partition));
  }
  std::unique_ptr<StateWalk> Detach(int32_t partition) override {
    auto walk = Walk(partition);
    Release(partition);
    return walk;
  }
  void Checkpoint(OutputBatch* changes, FlushChanges flush) override {
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
        // In pieces of two, and a last one.
        if (changes->records().size() == 2) flush(changes);
      }
    }
    changed_.clear();
    checkpointed_at_ = committed();
    checkpoints_.fetch_add(1);
    checkpoints_.notify_all();
  }
  absl::Status Tick(int64_t, OutputBatch*) override { return End(Phase::kTick); }
  void Reset() override {
    partitions_.clear();
    changed_.clear();
    rows_.clear();
    checkpoints_ = 0;
    checkpoints_.notify_all();
  }

  // The answer to the last commit that was begun in this session has not come. Threads: any.
  bool committing() const { return checkpoints_ > 0 && committed() == checkpointed_at_; }
  int checkpoints() const { return checkpoints_; }
  // Waits until they are not as many as `seen`; how many they are then.
  int AwaitCheckpoint(int seen) const {
    checkpoints_.wait(seen);
    return checkpoints_;
  }

 private:
  absl::Status End(Phase phase) {
    const bool end = ends(phase) || (committing() && ends(Phase::kCommit));
    return end ? absl::AbortedError("ended by the test") : absl::OkStatus();
  }

  const std::vector<std::string> topics_;
  const std::string changelog_;
  const std::vector<std::string> table_topics_;
  std::map<int32_t, std::map<std::string, int>> partitions_;
  std::map<int32_t, std::set<std::string>> changed_;
  std::set<std::string> rows_;
  std::atomic<uint64_t> checkpointed_at_{0};
  std::atomic<int> checkpoints_{0};  // of this session
};

inline std::string ChangelogOf(const Scene& scene) { return scene.id + ".changelog"; }

// Counting, with the number of results that are committed.
class RunningCount {
 public:
  RunningCount(const Scene& scene, Counting& counting, std::string instance = "")
      : running_(
            scene,
            [&counting](Worker& worker) {
              counting.committed = [&worker] { return worker.metrics.Read().records_out; };
              return RunProcessor(worker, counting);
            },
            std::move(instance)) {}
  absl::Status Drain() { return running_.Drain(); }
  Control& control() { return running_.control(); }

 private:
  Running running_;
};

class StatefulTest : public LoopTest {
 protected:
  static constexpr int kKeys = 20;
  static inline const std::map<std::string, std::string> kChangelog = {
      {"cleanup.policy", "compact"}, {"delete.retention.ms", "86400000"}};

  void SetUp() override {
    LoopTest::SetUp();
    Create({{log_, kPartitions, -1, kChangelog}});
  }

  // k0, k1, … and again from k0.
  static std::vector<std::string> Keys(int count) {
    std::vector<std::string> keys;
    for (int i = 0; i < count; ++i) keys.push_back(base::StrCat("k", i % kKeys));
    return keys;
  }
  // What comes of so many of them: "k0=1" … each once, sorted.
  static std::vector<std::string> Counts(int count) {
    std::vector<std::string> counts;
    for (int i = 0; i < count; ++i) {
      counts.push_back(base::StrCat("k", i % kKeys, "=", i / kKeys + 1));
    }
    std::sort(counts.begin(), counts.end());
    return counts;
  }

  // A record for each key; an empty `value` is a tombstone.
  void WriteKeys(const std::string& topic, const std::vector<std::string>& keys,
                 const std::string& value = "x") {
    std::vector<kafka::Outgoing> records(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      records[i].key = keys[i];
      records[i].has_key = true;
      records[i].value = value;
      records[i].has_value = !value.empty();
    }
    Write(topic, records);
  }

  // What is committed of the results, sorted.
  std::vector<std::string> Results() {
    auto reader = kafka::LogReader::Open(scene_.kafka, scene_.out);
    EXPECT_TRUE(reader.ok());
    for (int i = 0; i < kPartitions; ++i) EXPECT_TRUE((*reader)->Add(i).ok());
    std::vector<std::string> values;
    Eventually([&] {
      auto batch = (*reader)->Poll(10'000, std::chrono::milliseconds(100));
      if (!batch.ok()) return false;
      for (const Record& record : batch->records()) values.emplace_back(record.value);
      return (*reader)->caught_up();
    });
    EXPECT_TRUE((*reader)->caught_up());
    std::sort(values.begin(), values.end());
    return values;
  }

  const std::string log_ = ChangelogOf(scene_);
  const std::string table_ = scene_.id + ".table";
};

}  // namespace levada::runtime
