#include "core/runtime/state_reader.h"

#include <algorithm>

#include "core/base/strings.h"

namespace levada::runtime {
namespace {

using std::chrono::milliseconds;

constexpr int kBatchRecords = 5000;
constexpr milliseconds kMetadataTimeout{10'000};
constexpr milliseconds kCheckEvery{5'000};
constexpr milliseconds kCheckTimeout{1'000};

}  // namespace

absl::Status StateReader::Open() {
  if (absl::Status status = OpenTables(); !status.ok()) return status;
  if (state_.changelog().empty()) return absl::OkStatus();
  auto reader = kafka::LogReader::Open(kafka_, state_.changelog());
  if (!reader.ok()) return reader.status();
  changelog_ = *std::move(reader);
  const auto partitions = changelog_->CountPartitions(state_.changelog(), kMetadataTimeout);
  if (!partitions.ok()) return partitions.status();
  changelog_partitions_ = *partitions;
  state_.SetPartitions(changelog_partitions_);
  return CheckPartitions(kMetadataTimeout);
}

// Where a topic grows, keys come to other partitions than those that their state is in.
absl::Status StateReader::CheckPartitions(milliseconds timeout) {
  checked_at_ = std::chrono::steady_clock::now();
  const auto partitions = changelog_->CountPartitions(input_, timeout);
  if (!partitions.ok()) return partitions.status();
  if (*partitions == changelog_partitions_) return absl::OkStatus();
  return absl::FailedPreconditionError(base::StrCat(
      input_, " has ", *partitions, " partitions, but its state, ", state_.changelog(), ", has ",
      changelog_partitions_,
      ": keys have come to other partitions than their state. Give the stage a new name, or delete "
      "the topic with the state, to begin with empty state"));
}

absl::Status StateReader::OpenTables() {
  for (const std::string& topic : state_.tables()) {
    auto reader = kafka::LogReader::Open(kafka_, topic);
    if (!reader.ok()) return reader.status();
    const auto partitions = (*reader)->CountPartitions(topic, kMetadataTimeout);
    if (!partitions.ok()) return partitions.status();
    for (int partition = 0; partition < *partitions; ++partition) {
      if (absl::Status status = (*reader)->Add(partition); !status.ok()) return status;
    }
    tables_.push_back(*std::move(reader));
  }
  tables_loaded_ = tables_.empty();
  if (tables_loaded_) state_.TablesLoaded();
  return absl::OkStatus();
}

absl::Status StateReader::Add(int32_t partition) {
  if (changelog_ == nullptr) return absl::OkStatus();
  if (partition >= changelog_partitions_) {
    absl::Status status = CheckPartitions(kMetadataTimeout);
    return status.ok() ? absl::UnavailableError("partitions are changing") : status;
  }
  state_.Assign(partition, changelog_partitions_);
  restoring_.insert(partition);
  return changelog_->Add(partition);
}

void StateReader::Remove(int32_t partition) {
  if (changelog_ == nullptr) return;
  restoring_.erase(partition);
  changelog_->Remove(partition).IgnoreError();
  state_.Release(partition);
}

std::string StateReader::Progress() const {
  int64_t left = changelog_ == nullptr ? 0 : changelog_->Remaining();
  for (const auto& table : tables_) left += table->Remaining();
  return base::StrCat("reading its state: ", read_, " records read, about ", left, " to go");
}

absl::Status StateReader::Step(milliseconds timeout) {
  if (!restoring_.empty()) return StepChangelog(timeout);
  if (tables_loaded_) return absl::OkStatus();
  bool loaded = true;
  for (size_t i = 0; i < tables_.size(); ++i) {
    if (tables_[i]->caught_up()) continue;
    auto batch = tables_[i]->Poll(kBatchRecords, timeout);
    if (!batch.ok()) return batch.status();
    state_.UpdateTable(i, *batch);
    read_ += batch->size();
    loaded = loaded && tables_[i]->caught_up();
  }
  tables_loaded_ = loaded;
  if (loaded) state_.TablesLoaded();
  return absl::OkStatus();
}

absl::Status StateReader::StepChangelog(milliseconds timeout) {
  auto batch = changelog_->Poll(kBatchRecords, timeout);
  if (!batch.ok()) return batch.status();
  read_ += batch->size();
  if (absl::Status status = state_.Restore(*batch); !status.ok()) return status;
  if (!changelog_->caught_up()) return absl::OkStatus();
  // From here on this worker is the one who writes there, and what it writes it knows.
  for (const int32_t partition : restoring_) {
    if (absl::Status status = changelog_->Remove(partition); !status.ok()) return status;
    state_.Restored(partition);
  }
  restoring_.clear();
  return absl::OkStatus();
}

absl::Status StateReader::Follow() {
  if (changelog_ && std::chrono::steady_clock::now() - checked_at_ > kCheckEvery) {
    // A broker that is away is found by others.
    absl::Status status = CheckPartitions(kCheckTimeout);
    if (absl::IsFailedPrecondition(status)) return status;
  }
  for (size_t i = 0; i < tables_.size(); ++i) {
    auto batch = tables_[i]->Poll(kBatchRecords, milliseconds(0));
    if (!batch.ok()) return batch.status();
    if (!batch->empty()) state_.UpdateTable(i, *batch);
  }
  return absl::OkStatus();
}

}  // namespace levada::runtime
