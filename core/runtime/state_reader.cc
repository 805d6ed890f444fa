#include "core/runtime/state_reader.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/strings.h"

namespace levada::runtime {
namespace {

using std::chrono::milliseconds;

constexpr int kBatchRecords = 5000;
constexpr milliseconds kMetadataTimeout{10'000};
constexpr milliseconds kCheckEvery{5'000};
constexpr milliseconds kCheckTimeout{1'000};
constexpr milliseconds kLoadFor{50};

}  // namespace

absl::Status StateReader::Open() {
  if (absl::Status status = OpenTables(); !status.ok()) return status;
  if (state_.changelog().empty()) return CountInput();
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

absl::Status StateReader::CountInput() {
  auto reader = kafka::LogReader::Open(kafka_, input_);
  if (!reader.ok()) return reader.status();
  const auto partitions = (*reader)->CountPartitions(input_, kMetadataTimeout);
  if (!partitions.ok()) return partitions.status();
  input_partitions_ = *partitions;
  state_.SetPartitions(input_partitions_);
  return absl::OkStatus();
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
  if (changelog_ == nullptr) {
    if (partition >= input_partitions_) {
      if (absl::Status status = CountInput(); !status.ok()) return status;
    }
    state_.Assign(partition, input_partitions_);
    state_.Restored(partition);
    return absl::OkStatus();
  }
  if (partition >= changelog_partitions_) {
    absl::Status status = CheckPartitions(kMetadataTimeout);
    return status.ok() ? absl::UnavailableError("partitions are changing") : status;
  }
  state_.Assign(partition, changelog_partitions_);
  Restoring& restoring = restoring_[partition];
  restoring = {};
  if (snapshots_ != nullptr) restoring.snapshot = snapshots_->Find(partition);
  if (restoring.snapshot == nullptr) return changelog_->Add(partition);
  const SnapshotHeader& header = restoring.snapshot->header();
  if (!Reaches(partition, header)) {
    snapshots_->Ignore(partition, "the changelog is another one");
    restoring.snapshot.reset();
    return changelog_->Add(partition);
  }
  restoring.phase = Phase::kProve;
  return changelog_->Add(partition, header.life_at);
}

bool StateReader::Reaches(int32_t partition, const SnapshotHeader& header) {
  const auto range = changelog_->Ask(partition, kMetadataTimeout);
  return range.ok() && range->begin <= header.life_at && header.life_at <= header.offset &&
         header.life_at < range->end && header.offset <= range->end;
}

void StateReader::Remove(int32_t partition) {
  if (changelog_ == nullptr) return state_.Release(partition);
  restoring_.erase(partition);
  lives_.erase(partition);
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
  const bool loading = std::any_of(restoring_.begin(), restoring_.end(), [](const auto& each) {
    return each.second.phase == Phase::kLoad;
  });
  auto batch = changelog_->Poll(kBatchRecords, loading ? milliseconds(0) : timeout);
  if (!batch.ok()) return batch.status();
  bool read = true;
  for (auto& [partition, restoring] : restoring_) {
    if (restoring.phase == Phase::kRead) continue;
    read = false;
    absl::Status status = restoring.phase == Phase::kProve ? Prove(partition, restoring, *batch)
                                                           : Load(partition, restoring);
    if (!status.ok()) return status;
    batch->Drop(partition);
  }
  if (absl::Status status = TakeRecords(*std::move(batch)); !status.ok()) return status;
  if (!read || !changelog_->caught_up()) return absl::OkStatus();
  // From here on this worker is the one who writes there, and what it writes it knows.
  for (auto& [partition, restoring] : restoring_) {
    if (restoring.life.value.empty()) restoring.life.at = changelog_->next(partition);
    if (absl::Status status = changelog_->Remove(partition); !status.ok()) return status;
    Restored(partition, restoring);
  }
  restoring_.clear();
  return absl::OkStatus();
}

absl::Status StateReader::TakeRecords(Batch batch) {
  for (const Record& record : batch.records()) {
    Restoring& restoring = restoring_.at(record.partition);
    ++restoring.from_changelog;
    if (record.key == kLifeKey && record.has_value) {
      restoring.life = {std::string(record.value), record.offset};
    }
  }
  read_ += batch.size();
  batch.DropIf([](const Record& record) { return record.key == kLifeKey; });
  return state_.Restore(batch);
}

absl::Status StateReader::Prove(int32_t partition, Restoring& restoring, const Batch& batch) {
  const auto& records = batch.records();
  const auto first = std::find_if(records.begin(), records.end(), [&](const Record& record) {
    return record.partition == partition;
  });
  if (first == records.end() && !changelog_->caught_up(partition)) return absl::OkStatus();
  const SnapshotHeader& header = restoring.snapshot->header();
  if (first == records.end() || first->key != kLifeKey || first->value != header.life) {
    return ReadAll(partition, restoring, "the changelog was created again");
  }
  restoring.life = {header.life, header.life_at};
  restoring.phase = Phase::kLoad;
  return changelog_->Remove(partition);
}

absl::Status StateReader::Load(int32_t partition, Restoring& restoring) {
  const auto until = std::chrono::steady_clock::now() + kLoadFor;
  do {
    auto entries = restoring.snapshot->Next();
    absl::Status status = entries.ok() ? state_.Restore(*entries) : entries.status();
    if (!status.ok()) return ReadAll(partition, restoring, base::View(status.message()));
    if (entries->empty()) {
      restoring.phase = Phase::kRead;
      return changelog_->Add(partition, restoring.snapshot->header().offset);
    }
    read_ += entries->size();
  } while (std::chrono::steady_clock::now() < until);
  return absl::OkStatus();
}

absl::Status StateReader::ReadAll(int32_t partition, Restoring& restoring,
                                  std::string_view reason) {
  snapshots_->Ignore(partition, reason);
  restoring = {};
  // Without what was loaded of it.
  state_.Release(partition);
  state_.Assign(partition, changelog_partitions_);
  if (absl::Status status = changelog_->Remove(partition); !status.ok()) return status;
  return changelog_->Add(partition);
}

void StateReader::Restored(int32_t partition, const Restoring& restoring) {
  state_.Restored(partition);
  const uint64_t loaded = restoring.snapshot == nullptr ? 0 : restoring.snapshot->entries();
  lives_[partition] = restoring.life;
  lives_[partition].behind = restoring.from_changelog > loaded;
  base::LogInfo("state is restored", {{"partition", partition},
                                      {"from_snapshot", loaded},
                                      {"from_changelog", restoring.from_changelog}});
  if (snapshots_ != nullptr) snapshots_->probe()->Restored(loaded, restoring.from_changelog);
}

const StateReader::Life* StateReader::life(int32_t partition) const {
  const auto found = lives_.find(partition);
  return found == lives_.end() ? nullptr : &found->second;
}

absl::StatusOr<int64_t> StateReader::End(int32_t partition, milliseconds timeout) {
  const auto range = changelog_->Ask(partition, timeout);
  if (!range.ok()) return range.status();
  return range->end;
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
