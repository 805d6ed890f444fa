#include "core/runtime/snapshots.h"

#include <fcntl.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/runtime/latency.h"

namespace levada::runtime {
namespace {

constexpr size_t kMaxWaitingBytes = 8 << 20;
constexpr size_t kBlockBytes = 1 << 20;
constexpr std::string_view kEnding = ".snapshot";
// A clock that was set back a little.
constexpr std::chrono::minutes kClockSlack{5};

}  // namespace

SnapshotProbe::SnapshotProbe(prometheus::Registry& registry,
                             const std::map<std::string, std::string>& labels) {
  auto& restored = prometheus::BuildCounter()
                       .Name("levada_scoring_restored_records_total")
                       .Help("Records that state was restored from, by source")
                       .Labels(labels)
                       .Register(registry);
  from_snapshot_ = &restored.Add({{"source", "snapshot"}});
  from_changelog_ = &restored.Add({{"source", "changelog"}});
  auto& snapshots = prometheus::BuildCounter()
                        .Name("levada_scoring_snapshots_total")
                        .Help("Local snapshots of a partition's state, by what became of them")
                        .Labels(labels)
                        .Register(registry);
  written_ = &snapshots.Add({{"result", "written"}});
  failed_ = &snapshots.Add({{"result", "failed"}});
  ignored_ = &snapshots.Add({{"result", "ignored"}});
}

void SnapshotProbe::Restored(uint64_t from_snapshot, uint64_t from_changelog) {
  from_snapshot_->Increment(static_cast<double>(from_snapshot));
  from_changelog_->Increment(static_cast<double>(from_changelog));
}
void SnapshotProbe::Written() { written_->Increment(); }
void SnapshotProbe::Failed() { failed_->Increment(); }
void SnapshotProbe::Ignored() { ignored_->Increment(); }

std::unique_ptr<Snapshots> Snapshots::Open(Options options, SnapshotProbe* probe) {
  const auto no = [&](std::string_view reason) {
    base::LogWarn("no snapshots of the state: all of it is read from Kafka when this worker starts",
                  {{"folder", options.folder}, {"reason", reason}});
    return nullptr;
  };
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) return no(error.message());
  const std::string name = options.folder + "/lock";
  const int lock = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return no("the folder cannot be written");
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    close(lock);
    return no("another worker uses the folder");
  }
  return std::unique_ptr<Snapshots>(new Snapshots(std::move(options), lock, probe));
}

Snapshots::Snapshots(Options options, int lock, SnapshotProbe* probe)
    : options_(std::move(options)), lock_(lock), probe_(probe) {
  RemoveOld();
  thread_ = std::thread([this] { Work(); });
}

Snapshots::~Snapshots() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
  close(lock_);
}

std::string Snapshots::PathOf(int32_t partition) const {
  return base::StrCat(options_.folder, "/", partition, kEnding);
}

// Drafts of a worker that was killed, and what nobody may use any more.
void Snapshots::RemoveOld() {
  const int64_t now_ms = NowMs();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(options_.folder, error)) {
    const std::string name = entry.path().filename();
    const bool draft = name.ends_with(std::string(kEnding) + ".new");
    if (!draft && !name.ends_with(kEnding)) continue;
    const auto reader = SnapshotReader::Open(entry.path());
    const bool old =
        reader.ok() && (*reader)->header().taken_ms + options_.max_age.count() < now_ms;
    std::error_code ignored;
    if (draft || old) std::filesystem::remove(entry.path(), ignored);
  }
}

std::unique_ptr<SnapshotReader> Snapshots::Find(int32_t partition) {
  // The loop is not to stand still: not for long, and not once more for each partition.
  slow_ = !AwaitIdle(slow_ ? std::chrono::milliseconds(0) : options_.find_waits);
  auto reader = SnapshotReader::Open(PathOf(partition));
  if (absl::IsNotFound(reader.status())) return nullptr;
  const auto ignore = [&](std::string_view reason) {
    Ignore(partition, reason);
    return nullptr;
  };
  if (!reader.ok()) return ignore(base::View(reader.status().message()));
  const SnapshotHeader& header = (*reader)->header();
  if (header.topic != options_.topic || header.partition != partition) {
    return ignore(base::StrCat("it is of partition ", header.partition, " of ", header.topic));
  }
  const int64_t age_ms = NowMs() - header.taken_ms;
  if (age_ms > options_.max_age.count()) return ignore("it is too old");
  if (age_ms < -std::chrono::milliseconds(kClockSlack).count()) {
    return ignore("the clock was set back since");
  }
  return *std::move(reader);
}

void Snapshots::Ignore(int32_t partition, std::string_view reason) {
  base::LogWarn("a snapshot is not used: the partition's state is read from Kafka",
                {{"partition", partition}, {"file", PathOf(partition)}, {"reason", reason}});
  probe_->Ignored();
  std::error_code ignored;
  std::filesystem::remove(PathOf(partition), ignored);
}

std::shared_ptr<Snapshots::Draft> Snapshots::Begin(SnapshotHeader header) {
  return std::shared_ptr<Draft>(new Draft(this, std::move(header)), [this](Draft* draft) {
    // In the thread, behind what was appended.
    Do([draft] { delete draft; });
  });
}

void Snapshots::Draft::Append(std::string entries, uint64_t count) {
  const size_t bytes = entries.size();
  snapshots_->Do([this, entries = std::move(entries),
                  count] { snapshots_->WriteEntries(this, entries, count); },
                 bytes);
}

void Snapshots::Draft::Finish() {
  snapshots_->Do([this] { snapshots_->End(this); });
}

bool Snapshots::Draft::busy() const {
  const std::lock_guard guard(snapshots_->mutex_);
  return snapshots_->waiting_bytes_ > kMaxWaitingBytes;
}

void Snapshots::Write(SnapshotHeader header, std::unique_ptr<StateWalk> walk) {
  const auto draft = std::shared_ptr<Draft>(new Draft(this, std::move(header)));
  const std::shared_ptr<StateWalk> shared = std::move(walk);
  Do([this, draft, shared] {
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more && !draft->failed_) {
      std::string entries;
      uint64_t count = 0;
      more = shared->Next(kBlockBytes, [&](std::string_view key, std::string_view value) {
        AppendEntry(key, value, &entries);
        ++count;
      });
      WriteEntries(draft.get(), entries, count);
    }
    more.ok() ? End(draft.get()) : Failed(draft.get(), more.status());
  });
}

void Snapshots::WriteEntries(Draft* draft, const std::string& entries, uint64_t count) {
  if (draft->failed_) return;
  if (draft->writer_ == nullptr) {
    auto writer = SnapshotWriter::Open(PathOf(draft->header_.partition), draft->header_);
    if (!writer.ok()) return Failed(draft, writer.status());
    draft->writer_ = *std::move(writer);
  }
  absl::Status status = draft->writer_->Append(entries, count);
  if (!status.ok()) Failed(draft, status);
}

void Snapshots::End(Draft* draft) {
  WriteEntries(draft, "", 0);
  if (draft->failed_) return;
  if (absl::Status status = draft->writer_->Finish(); !status.ok()) return Failed(draft, status);
  base::LogDebug("a snapshot was written", {{"partition", draft->header_.partition},
                                            {"offset", draft->header_.offset},
                                            {"entries", draft->writer_->entries()}});
  probe_->Written();
}

void Snapshots::Failed(Draft* draft, const absl::Status& status) {
  base::LogWarn("a snapshot was not written: the one before stays",
                {{"partition", draft->header_.partition}, {"reason", status.message()}});
  draft->failed_ = true;
  draft->writer_.reset();
  probe_->Failed();
}

bool Snapshots::AwaitIdle(std::chrono::milliseconds limit) {
  std::unique_lock guard(mutex_);
  return changed_.wait_for(guard, limit, [&] { return jobs_.empty() && !working_; });
}

void Snapshots::Do(std::function<void()> job, size_t bytes) {
  {
    const std::lock_guard guard(mutex_);
    waiting_bytes_ += bytes;
    jobs_.push_back({std::move(job), bytes});
  }
  changed_.notify_all();
}

void Snapshots::Work() {
  std::unique_lock guard(mutex_);
  while (true) {
    changed_.wait(guard, [&] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    working_ = true;
    guard.unlock();
    job.run();
    job.run = nullptr;  // what it holds ends here
    guard.lock();
    working_ = false;
    waiting_bytes_ -= job.bytes;
    changed_.notify_all();
  }
}

}  // namespace levada::runtime
