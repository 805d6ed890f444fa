// The loop of a Processor: poll, process, produce, commit, in one thread; only the commit of a
// transaction waits in another, while this one already processes the next batches.
//
//   poll ─► process ─► pending work ─► produce ──► transaction n ──► commit n (other thread)
//                          ▲ held while commit n is under way: a producer has one transaction
//
// Exactly once: outputs, dead letters and input offsets are in one Kafka transaction, fenced by the
// group's metadata (KIP-447). Whatever fails, the transaction is aborted and the session is made
// anew from the committed offsets.

#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <deque>
#include <future>
#include <optional>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/kafka/consumer.h"
#include "core/kafka/producer.h"
#include "core/pipeline/plan.h"
#include "core/runtime/dead_letters.h"
#include "core/runtime/latency.h"
#include "core/runtime/record_limits.h"
#include "core/runtime/worker.h"

namespace levada::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kBatchRecords = 2000;
constexpr size_t kMaxPendingBytes = 8 << 20;
constexpr milliseconds kIdlePoll{100};

struct Settings {
  bool exactly_once = true;
  milliseconds commit_interval{100};
};

Settings SettingsOf(const v1::Stage& stage) {
  Settings settings;
  settings.exactly_once = stage.scoring().delivery() != v1::DELIVERY_AT_LEAST_ONCE;
  if (auto interval = base::ParseDuration(stage.scoring().commit_interval()); interval.ok()) {
    settings.commit_interval = *interval;
  }
  return settings;
}

// A batch and what became of it, until it is produced.
struct Work {
  Batch batch;
  OutputBatch output;
  int64_t arrival_ms = -1;
};

// What one transaction holds, for counting once it is committed.
struct Tally {
  std::map<int32_t, int64_t> offsets;
  uint64_t records = 0;
  uint64_t bytes = 0;
  uint64_t dead_letters = 0;
  std::vector<std::pair<int64_t, uint64_t>> arrivals;  // ms since 1970, records
  void Clear() { *this = Tally(); }
};

class Session : public kafka::RebalanceListener {
 public:
  Session(Worker& worker, Processor& processor, const Settings& settings,
          const std::vector<int64_t>& max_bytes)
      : worker_(worker),
        processor_(processor),
        settings_(settings),
        max_bytes_(max_bytes),
        sampler_(HasEventTime(worker)) {}

  // Runs until drained (OK) or something fails.
  absl::Status Run() {
    absl::Status status = Open();
    while (status.ok()) {
      worker_.control.Beat();
      status = failed_;
      if (status.ok()) status = Step();
      if (status.ok() && worker_.control.draining()) {
        worker_.control.Set(State::kDraining);
        status = CommitAll();
        break;
      }
    }
    return Close(std::move(status));
  }

  void OnAssigned(std::vector<kafka::PartitionOffset>* partitions) override {
    assigned_ = true;
    worker_.metrics.Rebalance(
        static_cast<int>(partitions->size() + consumer_->assignment().size()));
  }

  void OnRevoked(const std::vector<int32_t>& partitions, bool lost) override {
    const int left = static_cast<int>(consumer_->assignment().size() - partitions.size());
    worker_.metrics.Rebalance(std::max(left, 0));
    if (closing_) return;
    // What was read of these partitions is committed before another member begins there; if they
    // are lost that is too late, and the transaction must not become visible.
    absl::Status status =
        lost ? absl::AbortedError("partitions were lost to another worker") : CommitAll();
    if (!status.ok() && failed_.ok()) failed_ = std::move(status);
  }

 private:
  static bool HasEventTime(const Worker& worker) {
    const v1::Topic* topic = worker.context.FindTopic(worker.input);
    return topic != nullptr && !topic->timestamp().empty();
  }

  absl::Status Open() {
    kafka::Producer::Options producer;
    producer.client = worker_.kafka;
    if (settings_.exactly_once) {
      producer.transactional_id = base::StrCat(
          worker_.group, ".",
          worker_.instance.empty() ? base::StrCat(getpid(), ".", NowMs()) : worker_.instance);
    }
    auto made = kafka::Producer::Create(producer, nullptr);
    if (!made.ok()) return made.status();
    producer_ = *std::move(made);
    for (const std::string& topic : processor_.output_topics()) producer_->AddTopic(topic);
    dead_letters_.emplace(producer_.get(), worker_.context.pipeline, worker_.context.stage,
                          max_bytes_.back());
    if (settings_.exactly_once) {
      if (absl::Status status = InitTransactions(); !status.ok()) return status;
    }
    kafka::Consumer::Options consumer;
    consumer.client = worker_.kafka;
    consumer.group = worker_.group;
    consumer.topic = worker_.input;
    consumer.instance = worker_.instance;
    auto reader = kafka::Consumer::Create(consumer, this);
    if (!reader.ok()) return reader.status();
    consumer_ = *std::move(reader);
    return absl::OkStatus();
  }

  absl::Status InitTransactions() {
    const auto deadline = Clock::now() + std::chrono::seconds(30);
    while (true) {
      worker_.control.Beat();
      absl::Status status = producer_->InitTransactions(milliseconds(5000));
      if (!absl::IsUnavailable(status) || worker_.control.draining() || Clock::now() > deadline) {
        return status;
      }
    }
  }

  absl::Status Step() {
    const bool paused = worker_.control.paused();
    paused ? consumer_->Pause() : consumer_->Resume();
    if (assigned_) worker_.control.Set(paused ? State::kPaused : State::kRunning);
    absl::StatusOr<Batch> batch = consumer_->Poll(kBatchRecords, PollTimeout());
    if (!batch.ok()) return batch.status();
    if (!failed_.ok()) return failed_;
    if (!batch->empty()) {
      if (absl::Status status = Process(*std::move(batch)); !status.ok()) return status;
    }
    if (absl::Status status = ProduceIfFree(); !status.ok()) return status;
    ReportLag();
    const bool due = open_ && Clock::now() - opened_at_ >= settings_.commit_interval;
    return due ? StartCommit() : absl::OkStatus();
  }

  milliseconds PollTimeout() const {
    if (commit_.valid()) return milliseconds(5);
    if (!open_) return kIdlePoll;
    const auto left = std::chrono::duration_cast<milliseconds>(
        opened_at_ + settings_.commit_interval - Clock::now());
    return std::clamp(left, milliseconds(1), kIdlePoll);
  }

  absl::Status Process(Batch batch) {
    worker_.metrics.In(batch.size(), batch.bytes());
    Work work;
    if (!spare_.empty()) {
      work.output = std::move(spare_.back());
      spare_.pop_back();
    }
    absl::Status status = processor_.Process(batch, &work.output);
    if (!status.ok()) return status;
    worker_.metrics.Filtered(work.output.filtered);
    work.arrival_ms = sampler_.Arrival(batch);
    work.batch = std::move(batch);
    pending_bytes_ += work.output.buffer().size();
    pending_.push_back(std::move(work));
    return absl::OkStatus();
  }

  // Produces pending work unless a commit is under way; waits for it when too much is pending.
  absl::Status ProduceIfFree() {
    const bool wait = pending_bytes_ > kMaxPendingBytes;
    if (absl::Status status = TakeCommit(wait); !status.ok()) return status;
    if (commit_.valid()) return absl::OkStatus();
    while (!pending_.empty()) {
      if (absl::Status status = Produce(pending_.front()); !status.ok()) return status;
      pending_bytes_ -= pending_.front().output.buffer().size();
      pending_.front().output.Clear();
      spare_.push_back(std::move(pending_.front().output));
      pending_.pop_front();
    }
    return absl::OkStatus();
  }

  absl::Status Produce(const Work& work) {
    if (!open_) {
      if (settings_.exactly_once) {
        if (absl::Status status = producer_->Begin(); !status.ok()) return status;
      }
      open_ = true;
      opened_at_ = Clock::now();
    }
    for (const OutputRecord& record : work.output.records()) {
      if (absl::Status status = ProduceOne(work, record); !status.ok()) return status;
    }
    for (const DeadLetter& dead : work.output.dead_letters()) {
      if (absl::Status status = Bury(work.batch, dead.source, dead.error); !status.ok()) {
        return status;
      }
    }
    for (const Record& record : work.batch.records()) {
      tally_.offsets[record.partition] = record.offset + 1;
    }
    if (work.arrival_ms >= 0) tally_.arrivals.emplace_back(work.arrival_ms, work.batch.size());
    return absl::OkStatus();
  }

  absl::Status ProduceOne(const Work& work, const OutputRecord& record) {
    kafka::Outgoing out;
    out.topic = record.topic;
    out.key = record.key;
    out.has_key = record.has_key;
    out.value = work.output.Value(record);
    out.has_value = record.has_value;
    out.timestamp_ms = record.timestamp_ms;
    const int64_t size = static_cast<int64_t>(out.value.size() + out.key.size());
    if (size > max_bytes_[record.topic]) {
      return Bury(work.batch, record.source,
                  base::StrCat("the result has ", size, " bytes; topic ",
                               processor_.output_topics()[record.topic], " takes ",
                               max_bytes_[record.topic], " (max.message.bytes)"));
    }
    headers_.clear();
    if (record.source >= 0) work.batch.ReadHeaders(work.batch[record.source], &headers_);
    out.headers = headers_;
    ++tally_.records;
    tally_.bytes += size;
    return producer_->Produce(out);
  }

  absl::Status Bury(const Batch& batch, int32_t source, std::string_view error) {
    headers_.clear();
    batch.ReadHeaders(batch[source], &headers_);
    ++tally_.dead_letters;
    return dead_letters_->Write(batch.topic(), batch[source], headers_, error);
  }

  // Begins the end of the open transaction; at least once commits here and now.
  absl::Status StartCommit() {
    open_ = false;
    committing_ = std::move(tally_);
    tally_.Clear();
    std::vector<kafka::PartitionOffset> offsets;
    for (const auto& [partition, offset] : committing_.offsets) {
      offsets.push_back({partition, offset, ""});
    }
    commit_started_ = Clock::now();
    if (!settings_.exactly_once) {
      absl::Status status = producer_->Flush(std::chrono::seconds(60));
      if (status.ok()) status = consumer_->Commit(offsets);
      if (status.ok()) Committed();
      return status;
    }
    rd_kafka_consumer_group_metadata_t* group = consumer_->GroupMetadata();
    commit_ = std::async(std::launch::async, [this, offsets = std::move(offsets), group] {
      absl::Status status =
          Retry([&] { return producer_->SendOffsets(worker_.input, offsets, group); });
      rd_kafka_consumer_group_metadata_destroy(group);
      return status.ok() ? Retry([&] { return producer_->Commit(); }) : status;
    });
    return absl::OkStatus();
  }

  // A transaction call that timed out is to be called again (librdkafka's contract).
  template <typename Call>
  absl::Status Retry(const Call& call) {
    absl::Status status = call();
    for (int i = 0; i < 3 && absl::IsUnavailable(status); ++i) status = call();
    return status;
  }

  // Collects the answer of a commit, if it is there or `wait`.
  absl::Status TakeCommit(bool wait) {
    if (!commit_.valid()) return absl::OkStatus();
    if (!wait && commit_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      return absl::OkStatus();
    }
    absl::Status status = commit_.get();
    if (status.ok()) Committed();
    return status;
  }

  void Committed() {
    worker_.metrics.Commit(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - commit_started_));
    worker_.metrics.Out(committing_.records, committing_.bytes);
    if (committing_.dead_letters > 0) worker_.metrics.DeadLetters(committing_.dead_letters);
    const int64_t now = NowMs();
    for (const auto& [arrival, records] : committing_.arrivals) {
      worker_.metrics.Latency(milliseconds(std::max<int64_t>(0, now - arrival)), records);
    }
    committing_.Clear();
  }

  // Produces and commits all that was processed.
  absl::Status CommitAll() {
    absl::Status status = TakeCommit(true);
    if (status.ok()) status = ProduceIfFree();
    if (status.ok() && open_) status = StartCommit();
    if (status.ok()) status = TakeCommit(true);
    return status;
  }

  void ReportLag() {
    const auto now = Clock::now();
    if (now - lag_at_ < milliseconds(500)) return;
    lag_at_ = now;
    worker_.metrics.Lag(assigned_ ? consumer_->Lag() : -1);
  }

  absl::Status Close(absl::Status status) {
    closing_ = true;
    if (commit_.valid()) commit_.wait();
    if (settings_.exactly_once && producer_ != nullptr && (open_ || !status.ok())) {
      producer_->Abort().IgnoreError();  // fenced or fatal: the broker aborts it
    }
    if (consumer_ != nullptr) consumer_->Close();
    return status;
  }

  Worker& worker_;
  Processor& processor_;
  const Settings settings_;
  const std::vector<int64_t>& max_bytes_;  // of the output topics, then of the dead letters
  ArrivalSampler sampler_;
  std::unique_ptr<kafka::Producer> producer_;
  std::optional<DeadLetterWriter> dead_letters_;
  std::unique_ptr<kafka::Consumer> consumer_;

  std::deque<Work> pending_;
  size_t pending_bytes_ = 0;
  std::vector<OutputBatch> spare_;
  std::vector<Header> headers_;

  bool open_ = false;  // something was produced since the last commit
  Clock::time_point opened_at_;
  Tally tally_;       // of the open transaction
  Tally committing_;  // of the one that is being committed
  std::future<absl::Status> commit_;
  Clock::time_point commit_started_;
  Clock::time_point lag_at_;

  bool assigned_ = false;
  bool closing_ = false;
  absl::Status failed_;
};

}  // namespace

absl::Status RunProcessor(Worker& worker, Processor& processor) {
  const Settings settings = SettingsOf(worker.context.stage);
  base::Backoff backoff(kFirstWait, kLongestWait);
  bool serving = false;
  std::vector<std::string> topics = processor.output_topics();
  topics.push_back(pipeline::DeadLetterTopic(worker.context.pipeline));
  absl::Status status;
  while (!worker.control.draining()) {
    worker.control.Beat();
    absl::StatusOr<std::vector<int64_t>> limits = MaxRecordBytes(worker.kafka, topics);
    status = limits.status();
    if (status.ok() && !std::exchange(serving, true)) status = processor.StartServing();
    if (status.ok()) {
      const auto began = Clock::now();
      status = Session(worker, processor, settings, *limits).Run();
      if (Clock::now() - began > std::chrono::seconds(30)) backoff.Reset();
    }
    if (status.ok() || !Retriable(status)) break;
    WaitBeforeRetry(worker, status, ErrorType::kKafka, backoff);
  }
  processor.StopServing();
  return worker.control.draining() && Retriable(status) ? absl::OkStatus() : status;
}

}  // namespace levada::runtime
