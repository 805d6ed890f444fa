#pragma once

#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"

// What a step has made of a file, made anew when the file changes.
//
//   auto table = Reloaded<CsvTable>::Start(path, [key](const std::string& path) {
//     return CsvTable::Load(path, key);
//   }, [probe](const absl::Status& status) { … });
//   (*table)->current().Find(…);
//   (*table)->Turn();                  // between batches: from here on it is the newest
//
// A thread beside the stream looks at the file every half second (what the name leads to: a
// ConfigMap's files change by a symbolic link above them), waits until it has stayed the same
// once, and loads it. A file that cannot be loaded, or is gone, leaves what there was.
//
// Threads: one at a time, but for that thread.
namespace levada::scoring {

// What tells that a file is another one than before.
struct FileStamp {
  // Zeros where there is no such file.
  static FileStamp Of(const std::string& path) {
    struct stat found = {};
    if (::stat(path.c_str(), &found) != 0) return {};
    return {found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
  }
  bool operator==(const FileStamp&) const = default;

  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  time_t seconds = 0;
  long nanoseconds = 0;
};

template <typename T>
class Reloaded {
 public:
  using Load = std::function<absl::StatusOr<std::unique_ptr<T>>(const std::string& path)>;
  // Told of each time that the file was loaded again, or could not be; in the other thread.
  using Told = std::function<void(const absl::Status& status)>;

  // Loads it for the first time, which must succeed.
  static absl::StatusOr<std::unique_ptr<Reloaded>> Start(
      std::string path, Load load, Told told,
      std::chrono::milliseconds every = std::chrono::milliseconds(500)) {
    const FileStamp stamp = FileStamp::Of(path);
    auto first = load(path);
    if (!first.ok()) return first.status();
    return std::unique_ptr<Reloaded>(new Reloaded(std::move(path), std::move(load), std::move(told),
                                                  every, stamp, *std::move(first)));
  }
  ~Reloaded() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  T& current() { return *current_; }

  // Takes what was loaded meanwhile. What `current` gave before is gone.
  void Turn() {
    if (!ready_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(mutex_);
    current_.swap(next_);
    ready_.store(false, std::memory_order_release);
  }

 private:
  Reloaded(std::string path, Load load, Told told, std::chrono::milliseconds every, FileStamp stamp,
           std::unique_ptr<T> first)
      : path_(std::move(path)),
        load_(std::move(load)),
        told_(std::move(told)),
        every_(every),
        loaded_(stamp),
        seen_(stamp),
        current_(std::move(first)),
        thread_([this] { Watch(); }) {}

  void Watch() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, every_, [this] { return ended_; })) {
      // What was in use until the last Turn; large things are freed here and not in the stream.
      std::unique_ptr<T> old;
      if (!ready_.load(std::memory_order_acquire)) old = std::move(next_);
      lock.unlock();
      old.reset();
      Look();
      lock.lock();
    }
  }

  void Look() {
    const FileStamp stamp = FileStamp::Of(path_);
    const bool settled = stamp == seen_;
    seen_ = stamp;
    if (!settled || stamp == loaded_) return;
    auto made = load_(path_);
    if (FileStamp::Of(path_) != stamp) return;  // it was written to meanwhile
    loaded_ = stamp;
    told_(made.status());
    if (!made.ok()) return;
    const std::lock_guard lock(mutex_);
    next_ = *std::move(made);
    ready_.store(true, std::memory_order_release);
  }

  const std::string path_;
  const Load load_;
  const Told told_;
  const std::chrono::milliseconds every_;
  // The thread's own.
  FileStamp loaded_;  // what was loaded last, or could not be
  FileStamp seen_;

  std::unique_ptr<T> current_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::unique_ptr<T> next_;         // newer than current_ where ready_, else older
  std::atomic<bool> ready_{false};  // changes under the mutex
  std::thread thread_;              // last: it uses all of the above
};

}  // namespace levada::scoring
