#include "services/scoring/state/spill_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>

#include "core/base/strings.h"

namespace levada::scoring {
namespace {

constexpr size_t kWriteBuffer = 8 << 20;
constexpr size_t kBlockCache = 8 << 20;
constexpr int kOpenFiles = 256;

rocksdb::Slice SliceOf(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ViewOf(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

absl::Status Failed(const rocksdb::Status& status) {
  return absl::UnavailableError(base::StrCat("state that is on disk: ", status.ToString()));
}

// The first key behind all that begin with it; empty: there is none.
std::string Behind(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (!prefix.empty()) ++prefix.back();
  return prefix;
}

// Folders of this process that are in use.
class Folders {
 public:
  // A new one. Removes what other processes have left.
  absl::StatusOr<std::string> Make(const std::string& parent) {
    const std::lock_guard lock(mutex_);
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    if (error) return absl::UnavailableError(base::StrCat(parent, ": ", error.message()));
    for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
      const std::string path = entry.path();
      const pid_t owner = std::atoi(entry.path().filename().c_str());
      const bool mine = owner == getpid();
      const bool ended = owner > 0 && !mine && kill(owner, 0) != 0 && errno == ESRCH;
      std::error_code ignored;
      // In a container each process before had the same number.
      if (ended || (mine && !used_.contains(path))) std::filesystem::remove_all(path, ignored);
    }
    std::string folder = base::StrCat(parent, "/", getpid(), "-", next_++);
    used_.insert(folder);
    return folder;
  }
  void Remove(const std::string& folder) {
    const std::lock_guard lock(mutex_);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    used_.erase(folder);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> used_;
  int next_ = 0;
};

Folders& AllFolders() {
  static Folders& folders = *new Folders;
  return folders;
}

class RocksCursor : public SpillStore::Cursor {
 public:
  RocksCursor(std::shared_ptr<rocksdb::DB> db, const std::string& prefix, const std::string& from,
              std::set<std::string, std::less<>> without)
      : db_(std::move(db)), without_(std::move(without)), end_(Behind(prefix)), end_slice_(end_) {
    rocksdb::ReadOptions options;
    if (!end_.empty()) options.iterate_upper_bound = &end_slice_;
    options.fill_cache = false;
    at_.reset(db_->NewIterator(options));
    at_->Seek(std::max(prefix, from));
    Skip();
  }
  bool valid() const override { return at_->Valid(); }
  std::string_view key() const override { return ViewOf(at_->key()); }
  std::string_view value() const override { return ViewOf(at_->value()); }
  void Next() override {
    at_->Next();
    Skip();
  }
  absl::Status status() const override {
    return at_->status().ok() ? absl::OkStatus() : Failed(at_->status());
  }

 private:
  void Skip() {
    while (!without_.empty() && valid() && without_.contains(key())) at_->Next();
  }

  const std::shared_ptr<rocksdb::DB> db_;
  const std::set<std::string, std::less<>> without_;
  const std::string end_;
  const rocksdb::Slice end_slice_;
  std::unique_ptr<rocksdb::Iterator> at_;
};

class RocksStore : public SpillStore {
 public:
  RocksStore(std::string folder, std::shared_ptr<rocksdb::DB> db)
      : folder_(std::move(folder)), db_(std::move(db)) {
    write_.disableWAL = true;
  }
  ~RocksStore() override {
    // Cursors have their own hold of it.
    db_.reset();
    AllFolders().Remove(folder_);
  }

  absl::Status Put(std::span<const Item> items) override {
    rocksdb::WriteBatch batch;
    const std::lock_guard lock(mutex_);
    for (const std::string& key : not_removed_) batch.Delete(key);
    for (const Item& item : items) batch.Put(item.key, SliceOf(item.value));
    rocksdb::Status status = db_->Write(write_, &batch);
    // A full disk that has room again.
    if (!status.ok() && db_->Resume().ok()) status = db_->Write(write_, &batch);
    if (!status.ok()) return Failed(status);
    not_removed_.clear();
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Take(const std::string& key, std::string* value) override {
    {
      const std::lock_guard lock(mutex_);
      if (not_removed_.contains(key)) return false;
    }
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), key, value);
    if (status.IsNotFound()) return false;
    if (!status.ok()) return Failed(status);
    Remove(key);
    ++taken_;
    return true;
  }
  uint64_t taken() const override { return taken_; }

  // Where that cannot be written it is remembered here.
  void Remove(const std::string& key) override {
    if (db_->Delete(write_, key).ok()) return;
    const std::lock_guard lock(mutex_);
    not_removed_.insert(key);
  }

  // Its keys are never used again: it is only for the room on disk.
  void RemoveAll(const std::string& prefix) override {
    db_->DeleteRange(write_, db_->DefaultColumnFamily(), prefix, Behind(prefix))
        .PermitUncheckedError();
  }

  std::unique_ptr<Cursor> Scan(const std::string& prefix, const std::string& from) override {
    const std::lock_guard lock(mutex_);
    return std::make_unique<RocksCursor>(db_, prefix, from, not_removed_);
  }

 private:
  const std::string folder_;
  std::shared_ptr<rocksdb::DB> db_;
  rocksdb::WriteOptions write_;
  std::atomic<uint64_t> taken_{0};
  std::mutex mutex_;
  std::set<std::string, std::less<>> not_removed_;
};

rocksdb::Options Settings() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = kWriteBuffer;
  options.target_file_size_base = kWriteBuffer;
  options.max_bytes_for_level_base = 8 * kWriteBuffer;
  options.level_compaction_dynamic_level_bytes = true;
  options.max_open_files = kOpenFiles;
  options.max_background_jobs = 2;
  options.compression = rocksdb::kNoCompression;
  options.info_log_level = rocksdb::ERROR_LEVEL;
  options.keep_log_file_num = 1;
  options.avoid_unnecessary_blocking_io = true;
  options.avoid_flush_during_shutdown = true;
  // Which keys are there is known without it, so there are no filters.
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCache);
  table.cache_index_and_filter_blocks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

}  // namespace

absl::StatusOr<std::shared_ptr<SpillStore>> OpenSpillStore(const std::string& folder) {
  auto made = AllFolders().Make(folder);
  if (!made.ok()) return made.status();
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(Settings(), *made, &db);
  if (!status.ok()) {
    AllFolders().Remove(*made);
    return Failed(status);
  }
  return std::make_shared<RocksStore>(*std::move(made), std::shared_ptr<rocksdb::DB>(db));
}

}  // namespace levada::scoring
