// The loop of a Sink: poll, add, flush, commit offsets, in one thread. Offsets are committed after
// the sink has said that everything is durable, so a failure repeats records and never loses one;
// what is written is idempotent (ids and versions, a table's own offsets, a send log).
//
// While the other side is away, Flush is tried again with backoff. Consumption pauses, but the
// group is served all the while: other workers can still join and leave.

#include <optional>

#include "absl/strings/numbers.h"
#include "core/base/log.h"
#include "core/base/strings.h"
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
constexpr milliseconds kIdlePoll{100};
constexpr int64_t kEpochOriginMs = 1'704'067'200'000;  // 2024-01-01
constexpr int64_t kEpochUnitMs = 10'000;
constexpr std::string_view kEpochPrefix = "epoch=";
constexpr std::chrono::seconds kDrainLimit{20};

class Session : public kafka::RebalanceListener {
 public:
  Session(Worker& worker, Sink& sink, std::map<int32_t, int64_t>* epochs)
      : worker_(worker), sink_(sink), epochs_(*epochs) {}

  absl::Status Run() {
    absl::Status status = Open();
    while (status.ok()) {
      worker_.control.Beat();
      status = Step();
      if (status.ok() && worker_.control.draining()) {
        status = Drain();
        break;
      }
    }
    closing_ = true;
    worker_.control.Beat(kCloseWithin);
    sink_.Discard();
    if (consumer_ != nullptr) consumer_->Close();
    return status;
  }

  void OnAssigned(std::vector<kafka::PartitionOffset>* partitions) override {
    std::vector<Assignment> assignments;
    for (const kafka::PartitionOffset& entry : *partitions) {
      assignments.push_back(
          {entry.partition, entry.offset, EpochOf(entry), entry.begin, entry.end});
    }
    const absl::Status status = sink_.Assign(&assignments);
    if (!status.ok()) {
      if (failed_.ok()) failed_ = status;
      return;
    }
    for (size_t i = 0; i < assignments.size(); ++i) {
      (*partitions)[i].offset = assignments[i].offset;
      epochs_[assignments[i].partition] = assignments[i].epoch;
    }
    assigned_ = true;
    CountRebalance(worker_, *consumer_, static_cast<int>(partitions->size()));
  }

  void OnRevoked(const std::vector<int32_t>& partitions, bool lost) override {
    CountRebalance(worker_, *consumer_, -static_cast<int>(partitions.size()));
    if (closing_) return;
    if (!lost && !flushing_) {
      const absl::Status status = FlushOnce();
      if (!status.ok()) {
        base::LogWarn("what was not written goes to the next worker of these partitions",
                      {{"reason", status.message()}});
      }
      flushed_on_revoke_ = status.ok();
    }
    // Where the flush failed, records of partitions that stay may have been forgotten with the
    // rest: begin again from the committed offsets.
    if (!flushed_on_revoke_ && failed_.ok()) {
      failed_ = absl::AbortedError("partitions were taken away while records were unwritten");
    }
    flushed_on_revoke_ = false;
    sink_.Release(partitions);
    for (int32_t partition : partitions) {
      offsets_.erase(partition);
      epochs_.erase(partition);
    }
  }

 private:
  absl::Status Open() {
    kafka::Producer::Options producer;
    producer.client = worker_.kafka;
    auto made = kafka::Producer::Create(producer, nullptr);
    if (!made.ok()) return made.status();
    producer_ = *std::move(made);
    auto limits =
        MaxRecordBytes(worker_.kafka, {pipeline::DeadLetterTopic(worker_.context.pipeline)});
    if (!limits.ok()) return limits.status();
    dead_letters_.emplace(producer_.get(), worker_.context.pipeline, worker_.context.stage,
                          limits->front());
    auto reader = OpenInput(worker_, this);
    if (!reader.ok()) return reader.status();
    consumer_ = *std::move(reader);
    return absl::OkStatus();
  }

  // A topic's life: kept beside the committed offset, which Kafka deletes together with the topic.
  int64_t EpochOf(const kafka::PartitionOffset& entry) {
    int64_t epoch = 0;
    const std::string_view text = entry.metadata;
    if (entry.offset >= 0 && text.starts_with(kEpochPrefix) &&
        absl::SimpleAtoi(base::AbslView(text.substr(kEpochPrefix.size())), &epoch)) {
      return epoch;
    }
    const auto before = epochs_.find(entry.partition);
    const int64_t now = (NowMs() - kEpochOriginMs) / kEpochUnitMs;
    return before == epochs_.end() ? now : std::max(now, before->second + 1);
  }

  absl::Status Step() {
    const bool paused = worker_.control.paused();
    paused || !sink_.TakesMore() ? consumer_->Pause() : consumer_->Resume();
    if (assigned_) worker_.control.Set(paused ? State::kPaused : State::kRunning);
    absl::StatusOr<Batch> batch = consumer_->Poll(kBatchRecords, PollTimeout());
    if (!batch.ok()) return batch.status();
    if (!failed_.ok()) return failed_;
    if (absl::Status status = Add(*batch); !status.ok()) return status;
    ReportLag();
    if (!sink_.Full() && Clock::now() < sink_.FlushAt()) return absl::OkStatus();
    return FlushUntilDone();
  }

  milliseconds PollTimeout() const {
    const auto at = sink_.FlushAt();
    if (at == Clock::time_point::max()) return kIdlePoll;
    return std::clamp(std::chrono::duration_cast<milliseconds>(at - Clock::now()), milliseconds(1),
                      kIdlePoll);
  }

  absl::Status Add(const Batch& batch) {
    if (batch.empty()) return absl::OkStatus();
    worker_.metrics.In(batch.size(), batch.bytes());
    rejected_here_.clear();
    if (absl::Status status = sink_.Add(batch, &rejected_here_); !status.ok()) return status;
    for (const DeadLetter& dead : rejected_here_) {
      headers_.clear();
      batch.ReadHeaders(batch[dead.source], &headers_);
      absl::Status status =
          dead_letters_->Write(batch.topic(), batch[dead.source], headers_, dead.error);
      if (!status.ok()) return status;
    }
    const Sink::Filtered filtered = sink_.filtered();
    unflushed_.filtered += filtered.records;
    unflushed_.dead_letters += rejected_here_.size();
    unflushed_.records += batch.size() - filtered.records - rejected_here_.size();
    unflushed_.bytes += batch.bytes() - filtered.bytes;
    for (const DeadLetter& dead : rejected_here_) {
      unflushed_.bytes -= batch[dead.source].key.size() + batch[dead.source].value.size();
    }
    if (const int64_t arrival = ArrivalMs(batch); arrival >= 0) {
      unflushed_.arrivals.emplace_back(arrival, batch.size());
    }
    for (const Record& record : batch.records()) {
      offsets_[record.partition] = record.offset + 1;
    }
    return absl::OkStatus();
  }

  // Flushes and commits, trying again while the other side is away.
  absl::Status FlushUntilDone() {
    while (true) {
      worker_.control.Beat();
      absl::Status status = FlushOnce();
      if (!absl::IsUnavailable(status)) {
        backoff_.Reset();
        return status;
      }
      if (worker_.control.draining() && Clock::now() > drain_until_) return status;
      if (absl::Status waited = WaitServingGroup(status); !waited.ok()) return waited;
    }
  }

  absl::Status FlushOnce() {
    flushing_ = true;
    const auto began = Clock::now();
    refused_.clear();
    // Dead letters of Add first: a sink that keeps offsets of its own does not read them again.
    absl::Status status = producer_->Flush(std::chrono::seconds(60));
    if (status.ok()) status = sink_.Flush(&refused_);
    if (status.ok()) status = BuryRefused();
    if (status.ok()) status = producer_->Flush(std::chrono::seconds(60));
    if (status.ok()) status = CommitOffsets();
    flushing_ = false;
    if (status.ok()) Flushed(began);
    return status;
  }

  absl::Status BuryRefused() {
    for (const Sink::Rejected& refused : refused_) {
      absl::Status status =
          dead_letters_->Write(worker_.input, refused.record, refused.headers, refused.error);
      if (!status.ok()) return status;
    }
    unflushed_.dead_letters += refused_.size();
    unflushed_.records -= std::min<uint64_t>(refused_.size(), unflushed_.records);
    for (const Sink::Rejected& refused : refused_) {
      const uint64_t bytes = refused.record.key.size() + refused.record.value.size();
      unflushed_.bytes -= std::min(bytes, unflushed_.bytes);
    }
    return absl::OkStatus();
  }

  absl::Status CommitOffsets() {
    const std::optional<Offsets> committable = sink_.Committable();
    std::vector<kafka::PartitionOffset> commits;
    for (const auto& [partition, offset] : committable ? *committable : offsets_) {
      commits.push_back({partition, offset, base::StrCat(kEpochPrefix, epochs_[partition])});
    }
    if (commits.empty()) return absl::OkStatus();
    absl::Status status = consumer_->Commit(commits);
    if (status.ok()) offsets_.clear();
    return status;
  }

  void Flushed(Clock::time_point began) {
    worker_.metrics.Commit(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began));
    worker_.metrics.Out(unflushed_.records, unflushed_.bytes);
    if (unflushed_.filtered > 0) worker_.metrics.Filtered(unflushed_.filtered);
    if (unflushed_.dead_letters > 0) worker_.metrics.DeadLetters(unflushed_.dead_letters);
    const int64_t now = NowMs();
    for (const auto& [arrival, records] : unflushed_.arrivals) {
      worker_.metrics.Latency(milliseconds(std::max<int64_t>(0, now - arrival)), records);
    }
    unflushed_ = Unflushed();
  }

  // Backoff with consumption paused. A record that comes all the same is kept for later.
  absl::Status WaitServingGroup(const absl::Status& reason) {
    const auto wait = backoff_.Next();
    worker_.metrics.Error(ErrorType::kDestination, base::View(reason.message()));
    worker_.metrics.Retry();
    worker_.control.Set(State::kRetrying, base::View(reason.message()));
    static base::LogLimiter limiter{std::chrono::seconds(5)};
    base::LogEvery(limiter, base::LogLevel::kWarn, "trying again",
                   {{"reason", reason.message()}, {"wait_ms", wait.count()}});
    consumer_->Pause();
    const auto until = Clock::now() + wait;
    do {
      worker_.control.Beat();
      absl::StatusOr<Batch> batch = consumer_->Poll(1, milliseconds(50));
      if (!batch.ok()) return batch.status();
      if (!failed_.ok()) return failed_;
      if (absl::Status status = Add(*batch); !status.ok()) return status;
      ReportLag();
      if (worker_.control.draining() && Clock::now() > drain_until_) return reason;
    } while (Clock::now() < until);
    return absl::OkStatus();
  }

  absl::Status Drain() {
    worker_.control.Set(State::kDraining);
    drain_until_ = Clock::now() + kDrainLimit;
    sink_.Drain();
    absl::Status status = FlushUntilDone();
    while (status.ok() && sink_.FlushAt() <= Clock::now() && Clock::now() < drain_until_) {
      status = FlushUntilDone();
    }
    return status;
  }

  void ReportLag() {
    const auto now = Clock::now();
    if (now - lag_at_ < milliseconds(500)) return;
    lag_at_ = now;
    worker_.metrics.Lag(assigned_ ? consumer_->Lag() : -1);
  }

  struct Unflushed {
    uint64_t records = 0;
    uint64_t bytes = 0;
    uint64_t filtered = 0;
    uint64_t dead_letters = 0;
    std::vector<std::pair<int64_t, uint64_t>> arrivals;  // ms since 1970, records
  };

  Worker& worker_;
  Sink& sink_;
  std::map<int32_t, int64_t>& epochs_;
  std::unique_ptr<kafka::Producer> producer_;
  std::optional<DeadLetterWriter> dead_letters_;
  std::unique_ptr<kafka::Consumer> consumer_;
  base::Backoff backoff_{kFirstWait, kLongestWait};

  Offsets offsets_;  // added and not yet committed
  Unflushed unflushed_;
  std::vector<DeadLetter> rejected_here_;
  std::vector<Sink::Rejected> refused_;
  std::vector<Header> headers_;
  Clock::time_point lag_at_;
  Clock::time_point drain_until_ = Clock::time_point::max();

  bool assigned_ = false;
  bool flushing_ = false;
  bool flushed_on_revoke_ = false;
  bool closing_ = false;
  absl::Status failed_;
};

}  // namespace

absl::Status RunSink(Worker& worker, Sink& sink) {
  base::Backoff backoff(kFirstWait, kLongestWait);
  std::map<int32_t, int64_t> epochs;
  absl::Status status;
  while (!worker.control.draining()) {
    const auto began = Clock::now();
    status = Session(worker, sink, &epochs).Run();
    if (status.ok() || !Retriable(status)) break;
    if (Clock::now() - began > std::chrono::seconds(30)) backoff.Reset();
    WaitBeforeRetry(worker, status, ErrorType::kKafka, backoff);
  }
  return worker.control.draining() && Retriable(status) ? absl::OkStatus() : status;
}

}  // namespace levada::runtime
