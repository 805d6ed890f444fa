// The loop of a Processor: poll, process, produce, commit, in one thread; only a commit waits in
// another, while this one already processes the next batches.
//
//   poll ─► process ─► pending work ─► produce ──► transaction n ──► commit n (other thread)
//                          ▲ held while commit n is under way: a producer has one transaction
// What the processor remembers is written to its changelog just before a commit begins: then all
// that was processed is in the open transaction, and no more. Partitions that come here are read
// from it first; meanwhile nothing is processed.
//
// Exactly once: outputs, dead letters and input offsets are in one Kafka transaction, fenced by the
// group's metadata (KIP-447). Whatever fails, the transaction is aborted and the session is made
// anew from the committed offsets.

#include <deque>
#include <optional>

#include "core/base/log.h"
#include "core/base/units.h"
#include "core/kafka/consumer.h"
#include "core/pipeline/plan.h"
#include "core/runtime/latency.h"
#include "core/runtime/record_limits.h"
#include "core/runtime/snapshot_taker.h"
#include "core/runtime/snapshots_of.h"
#include "core/runtime/stage_output.h"
#include "core/runtime/state_reader.h"
#include "core/runtime/worker.h"

namespace levada::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kBatchRecords = 2000;
// What may wait for a commit to end: records as they came in, what became of them, and what the
// client keeps beside each.
constexpr size_t kMaxPendingBytes = 12 << 20;
constexpr size_t kRecordOverhead = 256;
constexpr milliseconds kIdlePoll{100};
constexpr milliseconds kTickEvery{100};
constexpr milliseconds kRestoreStep{50};

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
  size_t bytes = 0;  // of memory
  int64_t arrival_ms = -1;
};

class Session : public kafka::RebalanceListener {
 public:
  // `topics`: that the processor writes, its changelog the last. `snapshots`: may be null.
  Session(Worker& worker, Processor& processor, const Settings& settings,
          const std::vector<std::string>& topics, const std::vector<int64_t>& max_bytes,
          Snapshots* snapshots)
      : worker_(worker),
        processor_(processor),
        state_(processor.state()),
        settings_(settings),
        snapshots_(snapshots),
        output_(worker, topics, max_bytes, settings.exactly_once) {}

  // Runs until drained (OK) or something fails.
  absl::Status Run() {
    absl::Status status = Open();
    while (status.ok()) {
      worker_.control.Beat();
      status = failed_;
      if (status.ok()) status = Step();
      if (status.ok() && worker_.control.draining()) {
        worker_.control.Set(State::kDraining);
        status = CommitLast(consumer_->assignment());
        break;
      }
    }
    return Close(std::move(status));
  }

  void OnAssigned(std::vector<kafka::PartitionOffset>* partitions) override {
    assigned_ = true;
    CountRebalance(worker_, *consumer_, static_cast<int>(partitions->size()));
    for (const kafka::PartitionOffset& assigned : *partitions) {
      output_.Assigned(assigned.partition, assigned.offset < 0 ? assigned.begin : assigned.offset);
      absl::Status status = reader_ ? reader_->Add(assigned.partition) : absl::OkStatus();
      if (failed_.ok()) failed_ = std::move(status);
    }
  }

  void OnRevoked(const std::vector<int32_t>& partitions, bool lost) override {
    CountRebalance(worker_, *consumer_, -static_cast<int>(partitions.size()));
    if (closing_) return;
    // What was read of these partitions is committed before another member begins there; if they
    // are lost that is too late, and the transaction must not become visible.
    absl::Status status = lost ? absl::AbortedError("partitions were lost to another worker")
                               : CommitLast(partitions);
    const bool committed = status.ok();
    if (!status.ok() && failed_.ok()) failed_ = std::move(status);
    for (const int32_t partition : partitions) {
      output_.Revoked(partition);
      if (taker_) committed ? taker_->Release(partition) : taker_->Forget(partition);
      if (reader_) reader_->Remove(partition);
      for (Batch& batch : held_) batch.Drop(partition);
    }
  }

 private:
  absl::Status Open() {
    if (absl::Status status = output_.Open(); !status.ok()) return status;
    if (state_ != nullptr) {
      state_->Reset();
      reader_.emplace(worker_.kafka, *state_, worker_.input, snapshots_);
      if (snapshots_ != nullptr) {
        taker_.emplace(*snapshots_, *state_, *reader_, worker_.context.snapshot_every);
      }
      if (absl::Status status = reader_->Open(); !status.ok()) return status;
    }
    auto consumer = OpenInput(worker_, this);
    if (!consumer.ok()) return consumer.status();
    consumer_ = *std::move(consumer);
    return absl::OkStatus();
  }

  absl::Status Step() {
    if (reader_ && reader_->busy()) return Restore();
    const bool paused = worker_.control.paused();
    paused ? consumer_->Pause() : consumer_->Resume();
    if (assigned_) worker_.control.Set(paused ? State::kPaused : State::kRunning);
    absl::StatusOr<Batch> batch = consumer_->Poll(kBatchRecords, PollTimeout());
    if (!batch.ok()) return batch.status();
    if (!batch->empty()) held_.push_back(*std::move(batch));
    if (!failed_.ok()) return failed_;
    if (absl::Status status = ProcessHeld(); !status.ok()) return status;
    if (absl::Status status = ProduceIfFree(); !status.ok()) return status;
    ReportLag();
    return CommitIfDue();
  }

  // Reads what the processor remembers of partitions that came, while it stays in the group.
  absl::Status Restore() {
    consumer_->Pause();
    worker_.control.Set(State::kStarting, reader_->Progress());
    absl::StatusOr<Batch> batch = consumer_->Poll(kBatchRecords, milliseconds(0));
    if (!batch.ok()) return batch.status();
    if (!batch->empty()) held_.push_back(*std::move(batch));
    if (!failed_.ok()) return failed_;
    if (absl::Status status = ProduceIfFree(); !status.ok()) return status;
    // What was processed before is not to wait for it: Kafka would end the transaction.
    if (absl::Status status = CommitIfDue(); !status.ok()) return status;
    return reader_->Step(kRestoreStep);
  }

  absl::Status CommitIfDue() {
    if (!output_.open() || output_.committing()) return absl::OkStatus();
    const bool due = Clock::now() - output_.opened_at() >= settings_.commit_interval ||
                     (state_ != nullptr && state_->WantsCheckpoint());
    return due ? StartCommit() : absl::OkStatus();
  }

  // The batch that was read last; more where partitions came together with events of others.
  absl::Status ProcessHeld() {
    if (reader_ && reader_->busy()) return absl::OkStatus();
    if (reader_) {
      if (absl::Status status = reader_->Follow(); !status.ok()) return status;
    }
    while (!held_.empty()) {
      Batch batch = std::move(held_.front());
      held_.pop_front();
      if (batch.empty()) continue;
      if (absl::Status status = Process(std::move(batch)); !status.ok()) return status;
    }
    return state_ != nullptr && !consumer_->paused() ? Tick() : absl::OkStatus();
  }

  absl::Status Tick() {
    const auto now = Clock::now();
    if (now - ticked_at_ < kTickEvery) return absl::OkStatus();
    ticked_at_ = now;
    Work work = NewWork();
    state_->SetAtEnd(consumer_->at_end());
    const Batch none;
    work.output.set_receiver([&](OutputBatch* some) { return Take(none, some); });
    absl::Status status = state_->Tick(NowMs(), &work.output);
    work.output.set_receiver(nullptr);
    if (!status.ok()) return status;
    const bool any = !work.output.records().empty() || !work.output.dead_letters().empty();
    any ? Add(std::move(work)) : spare_.push_back(std::move(work.output));
    return absl::OkStatus();
  }

  // All that was processed is in the open transaction: so is what the processor knows by it.
  absl::Status StartCommit() {
    if (state_ != nullptr && !state_->changelog().empty()) {
      absl::Status status;
      const auto flush = [&](OutputBatch* changes) {
        if (taker_) taker_->Changed(*changes);
        if (status.ok()) status = output_.ProduceChanges(*changes);
        changes->Clear();
      };
      if (taker_) taker_->BeforeCheckpoint(&changes_);
      state_->Checkpoint(&changes_, flush);
      flush(&changes_);
      if (!status.ok()) return status;
      if (taker_) taker_->AfterCheckpoint();
    }
    return output_.StartCommit(*consumer_);
  }

  milliseconds PollTimeout() const {
    if (output_.busy()) return milliseconds(5);
    if (!output_.open()) return kIdlePoll;
    const auto left = std::chrono::duration_cast<milliseconds>(
        output_.opened_at() + settings_.commit_interval - Clock::now());
    return std::clamp(left, milliseconds(1), kIdlePoll);
  }

  absl::Status Process(Batch batch) {
    const uint64_t batch_bytes = batch.bytes();
    worker_.metrics.In(batch.size(), batch_bytes);
    Work work = NewWork();
    work.bytes = batch_bytes + batch.size() * kRecordOverhead;
    work.output.set_receiver([&](OutputBatch* some) { return Take(batch, some); });
    absl::Status status = processor_.Process(batch, &work.output);
    work.output.set_receiver(nullptr);
    if (!status.ok()) return status;
    worker_.metrics.Filtered(work.output.filtered);
    work.arrival_ms = ArrivalMs(batch);
    work.batch = std::move(batch);
    Add(std::move(work));
    return absl::OkStatus();
  }

  // Some of a batch's results while there are more to come. What was processed before goes first,
  // so a commit under way is waited for; the next one begins behind the batch.
  absl::Status Take(const Batch& batch, OutputBatch* some) {
    worker_.control.Beat();
    absl::Status status = output_.TakeCommit(/*wait=*/output_.busy());
    if (status.ok()) status = ProduceIfFree();
    if (status.ok()) status = output_.Produce(batch, *some, -1);
    worker_.metrics.Filtered(some->filtered);
    some->Clear();
    return status;
  }

  Work NewWork() {
    Work work;
    if (spare_.empty()) return work;
    work.output = std::move(spare_.back());
    spare_.pop_back();
    return work;
  }

  void Add(Work work) {
    work.bytes += work.output.buffer().size();
    pending_bytes_ += work.bytes;
    pending_.push_back(std::move(work));
  }

  // Produces pending work unless a commit is under way; waits for it when too much is pending.
  absl::Status ProduceIfFree() {
    const bool wait = pending_bytes_ > kMaxPendingBytes;
    if (absl::Status status = output_.TakeCommit(wait); !status.ok()) return status;
    if (output_.busy()) return absl::OkStatus();
    if (taker_ && !output_.committing()) taker_->Committed();
    while (!pending_.empty()) {
      Work& work = pending_.front();
      absl::Status status = output_.Produce(work.batch, work.output, work.arrival_ms);
      if (!status.ok()) return status;
      pending_bytes_ -= work.bytes;
      work.output.Clear();
      spare_.push_back(std::move(work.output));
      pending_.pop_front();
    }
    return absl::OkStatus();
  }

  // Produces and commits all that was processed.
  absl::Status CommitAll() {
    absl::Status status = output_.TakeCommit(true);
    if (status.ok()) status = ProduceIfFree();
    if (status.ok() && output_.open()) status = StartCommit();
    if (status.ok()) status = output_.TakeCommit(true);
    if (status.ok() && taker_) taker_->Committed();
    return status;
  }

  // The same before these partitions go. Their last snapshots need a commit after they were begun.
  absl::Status CommitLast(const std::vector<int32_t>& partitions) {
    if (!taker_ || !taker_->wants_last()) return CommitAll();
    for (const int32_t partition : partitions) taker_->BeforeLast(partition);
    absl::Status status = output_.TakeCommit(true);
    if (status.ok()) status = ProduceIfFree();
    if (status.ok()) status = output_.Reopen();
    return status.ok() ? CommitAll() : status;
  }

  void ReportLag() {
    const auto now = Clock::now();
    if (now - lag_at_ < milliseconds(500)) return;
    lag_at_ = now;
    worker_.metrics.Lag(assigned_ ? consumer_->Lag() : -1);
  }

  absl::Status Close(absl::Status status) {
    closing_ = true;
    worker_.control.Beat(kCloseWithin);
    if (!status.ok()) output_.Abort();
    if (consumer_ == nullptr) return status;
    if (state_ != nullptr) {
      // From when the group gives its partitions away nobody is to be answered from their state.
      for (const int32_t partition : consumer_->assignment()) {
        if (taker_ && status.ok()) taker_->Release(partition);
        if (taker_) taker_->Forget(partition);
        state_->Release(partition);
      }
    }
    consumer_->Close();
    return status;
  }

  Worker& worker_;
  Processor& processor_;
  Stateful* const state_;  // null: it remembers nothing
  const Settings settings_;
  Snapshots* const snapshots_;  // null: none are taken
  StageOutput output_;
  std::optional<StateReader> reader_;
  std::optional<SnapshotTaker> taker_;
  std::unique_ptr<kafka::Consumer> consumer_;

  std::deque<Batch> held_;  // read and not processed
  std::deque<Work> pending_;
  size_t pending_bytes_ = 0;
  std::vector<OutputBatch> spare_;
  OutputBatch changes_;
  Clock::time_point lag_at_;
  Clock::time_point ticked_at_;

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
  const Stateful* const state = processor.state();
  if (state != nullptr && !state->changelog().empty()) topics.push_back(state->changelog());
  std::vector<std::string> written = topics;
  written.push_back(pipeline::DeadLetterTopic(worker.context.pipeline));
  SnapshotsOf snapshots_of(worker, state);
  absl::Status status;
  while (!worker.control.draining()) {
    worker.control.Beat();
    absl::StatusOr<std::vector<int64_t>> limits = MaxRecordBytes(worker.kafka, written);
    status = limits.status();
    absl::StatusOr<Snapshots*> snapshots = nullptr;
    if (status.ok()) {
      snapshots = snapshots_of.Get();
      status = snapshots.status();
    }
    if (status.ok() && !serving) {
      status = processor.StartServing();
      serving = status.ok();
      worker.client_id = processor.client_id();
    }
    if (status.ok()) {
      const auto began = Clock::now();
      status = Session(worker, processor, settings, topics, *limits, *snapshots).Run();
      if (Clock::now() - began > std::chrono::seconds(30)) backoff.Reset();
    }
    if (status.ok() || !Retriable(status)) break;
    WaitBeforeRetry(worker, status, ErrorType::kKafka, backoff);
  }
  processor.StopServing();
  return worker.control.draining() && Retriable(status) ? absl::OkStatus() : status;
}

}  // namespace levada::runtime
