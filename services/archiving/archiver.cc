#include "services/archiving/archiver.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/units.h"

namespace levada::archiving {
namespace {

using Clock = std::chrono::steady_clock;

// Tries for a commit's number before we let others go first and come again.
constexpr int kMaxConflicts = 20;

std::string FolderOf(const runtime::StageContext& context) {
  const v1::Archiving& archiving = context.stage.archiving();
  return context.DataPath(archiving.has_parquet() ? archiving.parquet().folder()
                                                  : archiving.ndjson().folder());
}

std::string TableName(const runtime::StageContext& context) {
  const v1::Metadata& metadata = context.pipeline.metadata();
  return base::StrCat(metadata.namespace_(), "/", metadata.name(), "/", context.stage.name(), ":",
                      context.stage.archiving().from());
}

uint64_t MarkOf(const Record& record) {
  const uint64_t head =
      base::HashBytes(record.key, base::HashBytes(record.value, record.timestamp_ms));
  return head ^ (record.has_value ? 0 : 1);
}

}  // namespace

Archiver::Archiver(const runtime::StageContext& context, const v1::Topic& topic,
                   CommitLog::StepHook hook)
    : context_(context),
      topic_(topic),
      archiving_(context.stage.archiving()),
      max_bytes_(base::ParseBytes(archiving_.roll().size()).value_or(128 << 20)),
      max_age_(base::ParseDuration(archiving_.roll().every()).value_or(std::chrono::minutes(1))),
      declared_(archiving_.has_parquet() ? DeclaredColumns(topic) : Columns()),
      table_(TableName(context)),
      reader_(declared_, topic.timestamp()),
      log_(FolderOf(context), std::move(hook)),
      writer_(archiving_, declared_, inferred_, log_),
      probe_(context.registry, context.Labels()) {}

Archiver::~Archiver() { writer_.Discard(); }

absl::Status Archiver::Assign(std::vector<runtime::Assignment>* partitions) {
  if (absl::Status opened = log_.Open(); !opened.ok()) return opened;
  if (absl::Status recovered = log_.Recover(); !recovered.ok()) return recovered;
  auto newest = log_.Newest();
  if (!newest.ok()) return newest.status();
  newest_ = *std::move(newest);
  MergeColumns(newest_->columns, &inferred_);
  const TableOffsets& offsets = newest_->offsets[table_];
  for (runtime::Assignment& assignment : *partitions) {
    const auto recorded = offsets.find(assignment.partition);
    AssignOne(recorded == offsets.end() ? nullptr : &recorded->second, &assignment);
  }
  return absl::OkStatus();
}

void Archiver::AssignOne(const TableOffset* recorded, runtime::Assignment* assignment) {
  Partition& partition = partitions_[assignment->partition] = Partition();
  const bool was_reborn = reborn_.erase(assignment->partition) > 0;
  const bool is_group_known = assignment->offset >= 0;
  if (recorded != nullptr) partition.start = *recorded;
  const bool is_new_life = recorded == nullptr || was_reborn ||
                           (is_group_known && assignment->epoch > recorded->epoch) ||
                           assignment->end < recorded->next;
  if (is_new_life) {
    if (recorded != nullptr) assignment->epoch = std::max(assignment->epoch, recorded->epoch + 1);
    assignment->offset = -1;
    partition.begin.epoch = assignment->epoch;
  } else {
    // Where Kafka has forgotten the group, the last record of the table is read once more (if it is
    // still there), to be sure that this is the topic that it came from.
    partition.verify = !is_group_known && recorded->next > assignment->begin;
    assignment->offset = std::max(recorded->next - (partition.verify ? 1 : 0), assignment->begin);
    assignment->epoch = recorded->epoch;
    partition.begin = *recorded;
  }
  partition.now = partition.begin;
}

absl::StatusOr<bool> Archiver::Advance(const Record& record, std::string_view topic) {
  const auto found = partitions_.find(record.partition);
  if (found == partitions_.end()) {
    return absl::InternalError(
        base::StrCat(topic, "-", record.partition, ": a record of a partition that is not ours"));
  }
  Partition& partition = found->second;
  const bool is_last = partition.verify && record.offset == partition.now.next - 1;
  partition.verify = false;
  if (is_last && MarkOf(record) != partition.now.mark) {
    reborn_.insert(record.partition);
    return absl::AbortedError(
        base::StrCat(topic, "-", record.partition,
                     ": the topic was created again; its records are read from the start"));
  }
  if (record.offset < partition.now.next) return false;
  partition.now.next = record.offset + 1;
  partition.now.mark = MarkOf(record);
  return true;
}

absl::Status Archiver::Add(const Batch& batch, std::vector<DeadLetter>* dead_letters) {
  std::string error;
  for (size_t i = 0; i < batch.size(); ++i) {
    auto is_new = Advance(batch[i], batch.topic());
    if (!is_new.ok()) return is_new.status();
    if (!*is_new) continue;
    Start();
    error.clear();
    if (absl::Status added = AddRecord(batch[i], &error); !added.ok()) return added;
    if (!error.empty()) dead_letters->push_back({static_cast<int32_t>(i), error});
  }
  probe_.OpenFiles(writer_.open_files(), writer_.buffered());
  return absl::OkStatus();
}

void Archiver::Start() {
  if (has_added_) return;
  has_added_ = true;
  first_added_ = Clock::now();
}

absl::Status Archiver::AddRecord(const Record& record, std::string* error) {
  if (!reader_.Read(record, &row_, error)) return absl::OkStatus();
  const bool inferring = archiving_.has_parquet() && declared_.empty();
  if (inferring && record.has_value && !InferColumns(record.value, &inferred_, error)) {
    return absl::OkStatus();
  }
  if (absl::Status written = writer_.Append(row_); !written.ok()) {
    // The row may be half in a file: begin again from the table.
    return absl::AbortedError(written.message());
  }
  ++rows_;
  bytes_ += record.key.size() + record.value.size();
  return absl::OkStatus();
}

bool Archiver::Full() const {
  return rows_ >= archiving_.roll().count() || bytes_ >= max_bytes_ || writer_.stalled();
}

Clock::time_point Archiver::FlushAt() const {
  return has_added_ ? first_added_ + max_age_ : Clock::time_point::max();
}

std::string_view Archiver::RollReason() const {
  if (rows_ >= archiving_.roll().count()) return "count";
  if (bytes_ >= max_bytes_) return "size";
  return Clock::now() >= FlushAt() ? "time" : "handover";
}

absl::Status Archiver::Flush(std::vector<Rejected>*) {
  if (has_added_) {
    if (absl::Status finished = writer_.Finish(); !finished.ok()) return finished;
    if (absl::Status committed = CommitFiles(); !committed.ok()) return committed;
  }
  if (unpublished_.has_value()) {
    if (absl::Status published = log_.Publish(*unpublished_); !published.ok()) return published;
    log_.Prune(unpublished_->version);
    unpublished_.reset();
  }
  return absl::OkStatus();
}

absl::StatusOr<Commit> Archiver::NextCommit(const Commit& newest) const {
  Commit next = newest;
  next.version = newest.version + 1;
  next.owner = log_.owner();
  next.time = base::FormatTimestamp(base::NowMicros());
  next.files = writer_.files();
  if (archiving_.has_parquet() && declared_.empty()) MergeColumns(inferred_, &next.columns);
  TableOffsets& offsets = next.offsets[table_];
  for (const auto& [number, partition] : partitions_) {
    if (partition.now == partition.start) continue;
    const auto recorded = offsets.find(number);
    const TableOffset there = recorded == offsets.end() ? TableOffset() : recorded->second;
    const TableOffset expected =
        recorded == offsets.end() && partition.start.next == 0 ? TableOffset() : partition.start;
    if (there != expected) {
      return absl::AbortedError(
          base::StrCat(topic_.name(), "-", number, ": another worker has written up to offset ",
                       there.next, " of what we took from ", partition.start.next));
    }
    offsets[number] = partition.now;
  }
  return next;
}

absl::Status Archiver::CommitFiles() {
  const std::string_view reason = RollReason();
  for (int tries = 0; tries < kMaxConflicts; ++tries) {
    if (!newest_.has_value()) {
      auto newest = log_.Newest();
      if (!newest.ok()) return newest.status();
      newest_ = *std::move(newest);
    }
    auto next = NextCommit(*newest_);
    if (!next.ok()) return next.status();
    const absl::Status created = log_.Create(*next);
    if (absl::IsAlreadyExists(created)) {
      probe_.Conflict();
      newest_.reset();
      continue;
    }
    if (absl::IsDataLoss(created)) {
      // The files are the commit's now. What it has become is told by the log, to the next session.
      writer_.Release();
      return absl::AbortedError(created.message());
    }
    if (!created.ok()) return created;
    uint64_t bytes = 0;
    for (const CommittedFile& file : next->files) bytes += file.bytes;
    probe_.Committed(reason, next->files.size(), rows_, bytes);
    for (auto& [number, partition] : partitions_) partition.start = partition.begin = partition.now;
    writer_.Release();
    probe_.OpenFiles(writer_.open_files(), writer_.buffered());
    rows_ = bytes_ = 0;
    has_added_ = false;
    newest_ = *next;
    unpublished_ = *std::move(next);
    return absl::OkStatus();
  }
  return absl::UnavailableError("other workers commit to the same folder all the time");
}

void Archiver::Discard() {
  writer_.Discard();
  rows_ = bytes_ = 0;
  has_added_ = false;
  for (auto& [number, partition] : partitions_) partition.now = partition.begin;
}

void Archiver::Release(const std::vector<int32_t>& partitions) {
  Discard();
  for (const int32_t partition : partitions) partitions_.erase(partition);
}

absl::Status Archiver::Pipe(const Batch& batch, std::string* ndjson,
                            std::vector<DeadLetter>* dead_letters) {
  std::string error;
  for (size_t i = 0; i < batch.size(); ++i) {
    error.clear();
    if (!reader_.Read(batch[i], &row_, &error)) {
      dead_letters->push_back({static_cast<int32_t>(i), error});
    } else if (archiving_.has_parquet() && !declared_.empty()) {
      AppendRow(declared_, row_, ndjson);
      ndjson->push_back('\n');
    } else {
      AppendNdjsonLine(batch[i], ndjson);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<runtime::Sink>> MakeArchiver(const runtime::StageContext& context) {
  const v1::Archiving& archiving = context.stage.archiving();
  const v1::Topic* topic = context.FindTopic(archiving.from());
  if (topic == nullptr) {
    return absl::InvalidArgumentError(
        base::StrCat("stage ", context.stage.name(), ": its topic is not declared"));
  }
  if (archiving.has_parquet()) {
    for (const v1::Field& field : topic->fields()) {
      const auto is_it = [&](std::string_view name) { return name == field.name(); };
      if (std::any_of(std::begin(kMetaColumns), std::end(kMetaColumns), is_it)) {
        return absl::InvalidArgumentError(
            base::StrCat("field ", field.name(), " of topic ", topic->name(),
                         " has the name of a column that every Parquet file has"));
      }
    }
  }
  return std::make_unique<Archiver>(context, *topic);
}

}  // namespace levada::archiving
