#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Files that state goes to where memory has no room for it: a map of bytes on disk, in order. It is
// a cache, which ends with the one who uses it; what is to stay is in the changelog.
//
//   auto store = *OpenSpillStore(folder);
//   store->Put({{"a", "1"}, {"b", "2"}});
//   std::string value;
//   *store->Take("a", &value);              // true, and "a" is gone
//
// Threads: any; cursors one each.
namespace levada::scoring {

class SpillStore {
 public:
  virtual ~SpillStore() = default;

  struct Item {
    std::string key;
    std::string_view value;
  };
  // All of them, or none: the disk is full, or fails.
  virtual absl::Status Put(std::span<const Item> items) = 0;
  // Not OK: what was there cannot be read. False: there is no such key.
  virtual absl::StatusOr<bool> Take(const std::string& key, std::string* value) = 0;
  virtual void Remove(const std::string& key) = 0;
  // All keys that begin so.
  virtual void RemoveAll(const std::string& prefix) = 0;

  // The keys that begin with a prefix, as they were when it was made; stands at the first one that
  // is not before `from`.
  class Cursor {
   public:
    virtual ~Cursor() = default;
    // Views until the next call.
    virtual bool valid() const = 0;
    virtual std::string_view key() const = 0;
    virtual std::string_view value() const = 0;
    virtual void Next() = 0;
    // Not OK: it ended because what follows cannot be read.
    virtual absl::Status status() const = 0;
  };
  virtual std::unique_ptr<Cursor> Scan(const std::string& prefix, const std::string& from) = 0;

  // How often Take has found one.
  virtual uint64_t taken() const = 0;

  // The first of what was handed to Fail that was not OK: something could not be read.
  absl::Status status() const {
    const std::lock_guard lock(status_mutex_);
    return status_;
  }
  void Fail(const absl::Status& status) {
    const std::lock_guard lock(status_mutex_);
    status_.Update(status);
  }

 private:
  mutable std::mutex status_mutex_;
  absl::Status status_;
};

// In a new folder below `folder`, which goes with it; those of processes that have ended are
// removed. RocksDB takes about 32 MiB of memory.
absl::StatusOr<std::shared_ptr<SpillStore>> OpenSpillStore(const std::string& folder);

}  // namespace levada::scoring
