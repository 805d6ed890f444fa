#include "core/runtime/stage_output.h"

#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/record/headers.h"
#include "core/runtime/latency.h"

namespace levada::runtime {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Nobody sees a record before its commit, which sends what still waits.
constexpr milliseconds kLingerInTransaction{100};
constexpr int64_t kBatchBytes = 1'000'000;  // with Kafka's default, topics take 1,048,588

constexpr int kCommitAttempts = 2;

// Longer than all calls of one commit with their time limits. librdkafka 2.0 has been seen to hang
// in them after a broker was frozen and the transaction was fenced, and a call cannot be cancelled.
constexpr std::chrono::seconds kCommitHangs{60};
// The same at least once: first what was written is to be answered, then the offsets.
constexpr std::chrono::seconds kAnsweredWithin{30};
constexpr std::chrono::seconds kPlainCommitHangs{120};

// A commit that timed out is to be called again (librdkafka's contract).
template <typename Call>
absl::Status CallAgain(const Call& call) {
  absl::Status status = call();
  for (int i = 1; i < kCommitAttempts && absl::IsUnavailable(status); ++i) status = call();
  return status;
}

}  // namespace

StageOutput::~StageOutput() {
  if (commit_.valid()) CommitIsThere(/*wait=*/true);
}

absl::Status StageOutput::Open() {
  kafka::Producer::Options options;
  options.client = worker_.kafka;
  const int64_t smallest = *std::min_element(max_bytes_.begin(), max_bytes_.end());
  options.batch_bytes = std::clamp<int64_t>(smallest, 1, kBatchBytes);
  if (exactly_once_) options.linger = kLingerInTransaction;
  if (exactly_once_ && worker_.instance.empty()) {
    options.transactional_id = base::StrCat(worker_.group, ".", getpid(), ".", NowMs());
  } else if (exactly_once_) {
    options.transactional_id = base::StrCat(worker_.group, ".", worker_.instance);
    options.transaction_timeout = kafka::kStableTransactionTimeout;
  }
  auto producer = kafka::Producer::Create(options, nullptr);
  if (!producer.ok()) return producer.status();
  producer_ = *std::move(producer);
  for (const std::string& topic : topics_) producer_->AddTopic(topic);
  dead_letters_.emplace(producer_.get(), worker_.context.pipeline, worker_.context.stage,
                        max_bytes_.back());
  return exactly_once_ ? InitTransactions() : absl::OkStatus();
}

absl::Status StageOutput::InitTransactions() {
  const auto deadline = Clock::now() + std::chrono::seconds(30);
  while (true) {
    worker_.control.Beat();
    absl::Status status = producer_->InitTransactions(milliseconds(5000));
    if (!absl::IsUnavailable(status) || worker_.control.draining() || Clock::now() > deadline) {
      return status;
    }
  }
}

absl::Status StageOutput::Begin() {
  if (exactly_once_) {
    if (absl::Status status = producer_->Begin(); !status.ok()) return status;
  }
  open_ = true;
  opened_at_ = Clock::now();
  return absl::OkStatus();
}

absl::Status StageOutput::Produce(const Batch& batch, const OutputBatch& result,
                                  int64_t arrival_ms) {
  if (!open_) {
    if (absl::Status status = Begin(); !status.ok()) return status;
  }
  for (const OutputRecord& record : result.records()) {
    if (absl::Status status = ProduceOne(batch, result, record); !status.ok()) return status;
  }
  for (const DeadLetter& dead : result.dead_letters()) {
    if (absl::Status status = Bury(batch, dead); !status.ok()) return status;
  }
  for (const Record& record : batch.records()) {
    tally_.offsets[record.partition] = record.offset + 1;
    positions_[record.partition] = record.offset + 1;
  }
  if (arrival_ms >= 0) tally_.arrivals.emplace_back(arrival_ms, batch.size());
  return absl::OkStatus();
}

absl::Status StageOutput::ProduceOne(const Batch& batch, const OutputBatch& result,
                                     const OutputRecord& record) {
  kafka::Outgoing out;
  out.topic = record.topic;
  out.key = record.key;
  out.has_key = record.has_key;
  out.value = result.Value(record);
  out.has_value = record.has_value;
  out.timestamp_ms = record.timestamp_ms;
  out.partition = record.partition;
  const auto size = static_cast<int64_t>(out.value.size() + out.key.size());
  if (size > max_bytes_[record.topic]) {
    std::string error =
        base::StrCat("the result has ", size, " bytes; topic ", topics_[record.topic], " takes ",
                     max_bytes_[record.topic], " (max.message.bytes)");
    return Bury(batch, {record.source, std::move(error),
                        record.source < 0 ? std::string(out.value) : std::string()});
  }
  headers_.clear();
  if (record.source >= 0) batch.ReadHeaders(batch[record.source], &headers_);
  std::erase_if(headers_, [](const Header& header) { return header.name == kSourceHeader; });
  if (!record.origin.empty()) headers_.push_back({kSourceHeader, record.origin});
  out.headers = headers_;
  if (out.partition == OutputRecord::kEveryPartition) return SendToAll(out);
  ++tally_.records;
  tally_.bytes += size;
  return producer_->Produce(out);
}

absl::Status StageOutput::SendToAll(kafka::Outgoing out) {
  const auto [count, unknown] = partitions_.try_emplace(out.topic, 0);
  if (unknown) {
    const absl::StatusOr<int> partitions = producer_->CountPartitions(out.topic);
    if (!partitions.ok()) return partitions.status();
    count->second = *partitions;
  }
  for (out.partition = 0; out.partition < count->second; ++out.partition) {
    if (absl::Status status = producer_->Produce(out); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status StageOutput::ProduceChanges(const OutputBatch& changes) {
  kafka::Outgoing out;
  out.topic = static_cast<int>(topics_.size()) - 1;
  out.has_key = true;
  for (const OutputRecord& change : changes.records()) {
    out.key = change.key;
    out.value = changes.Value(change);
    out.has_value = change.has_value;
    out.partition = change.partition;
    const auto size = static_cast<int64_t>(out.value.size() + out.key.size());
    if (size > max_bytes_[out.topic]) {
      return absl::FailedPreconditionError(
          base::StrCat("the state of a key has ", size, " bytes; topic ", topics_.back(), " takes ",
                       max_bytes_[out.topic], " (max.message.bytes)"));
    }
    if (absl::Status status = producer_->Produce(out); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status StageOutput::Bury(const Batch& batch, const DeadLetter& dead) {
  headers_.clear();
  Record record;
  record.offset = -1;
  record.timestamp_ms = NowMs();
  if (dead.source >= 0) {
    record = batch[dead.source];
    batch.ReadHeaders(record, &headers_);
  }
  if (!dead.event.empty()) record.value = dead.event;
  ++tally_.dead_letters;
  return dead_letters_->Write(worker_.input, record, headers_, dead.error);
}

absl::Status StageOutput::StartCommit(kafka::Consumer& consumer) {
  open_ = false;
  committing_ = std::exchange(tally_, Tally());
  commit_started_ = Clock::now();
  std::vector<kafka::PartitionOffset> offsets;
  for (const auto& [partition, offset] :
       committing_.offsets.empty() ? positions_ : committing_.offsets) {
    offsets.push_back({partition, offset, ""});
  }
  if (!exactly_once_) {
    producer_->Mark();
    commit_ = std::async(std::launch::async, [this, offsets = std::move(offsets), &consumer] {
      absl::Status status = producer_->AwaitMark(kAnsweredWithin);
      return status.ok() ? consumer.Commit(offsets) : status;
    });
    return absl::OkStatus();
  }
  rd_kafka_consumer_group_metadata_t* const group = consumer.GroupMetadata();
  if (group == nullptr) return absl::AbortedError("this worker has lost its place in the group");
  commit_ = std::async(std::launch::async, [this, offsets = std::move(offsets), group] {
    return CommitTransaction(offsets, group);
  });
  return absl::OkStatus();
}

absl::Status StageOutput::CommitTransaction(const std::vector<kafka::PartitionOffset>& offsets,
                                            rd_kafka_consumer_group_metadata_t* group) {
  // Not called again: after a broker was away librdkafka may try for ever, and a new producer
  // finds out what became of the transaction.
  absl::Status status = producer_->SendOffsets(worker_.input, offsets, group);
  rd_kafka_consumer_group_metadata_destroy(group);
  return status.ok() ? CallAgain([&] { return producer_->Commit(); }) : status;
}

absl::Status StageOutput::TakeCommit(bool wait) {
  if (!commit_.valid() || !CommitIsThere(wait)) return absl::OkStatus();
  absl::Status status = commit_.get();
  if (status.ok()) Committed();
  return status;
}

bool StageOutput::CommitIsThere(bool wait) const {
  const auto hangs_at = commit_started_ + (exactly_once_ ? kCommitHangs : kPlainCommitHangs);
  const auto until = wait ? hangs_at : Clock::now();
  if (commit_.wait_until(until) == std::future_status::ready) return true;
  if (Clock::now() < hangs_at) return false;
  // What was not committed is aborted by the broker and done again by the next process.
  base::LogError("a call of the Kafka client hangs: ending, to be started again",
                 {{"seconds", kCommitHangs.count()}});
  _exit(1);
}

void StageOutput::Committed() {
  worker_.metrics.Commit(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - commit_started_));
  worker_.metrics.Out(committing_.records, committing_.bytes);
  if (committing_.dead_letters > 0) worker_.metrics.DeadLetters(committing_.dead_letters);
  const int64_t now = NowMs();
  for (const auto& [arrival, records] : committing_.arrivals) {
    worker_.metrics.Latency(milliseconds(std::max<int64_t>(0, now - arrival)), records);
  }
  committing_ = Tally();
}

void StageOutput::Abort() {
  if (commit_.valid()) CommitIsThere(/*wait=*/true);
  // Fenced or fatal errors: the broker aborts it, or has done so.
  if (exactly_once_ && producer_ != nullptr) producer_->Abort().IgnoreError();
}

}  // namespace levada::runtime
