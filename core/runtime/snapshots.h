#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "core/runtime/snapshot_file.h"
#include "core/runtime/stateful.h"

// A worker's snapshots: a folder with a file for each partition whose state it has or had, and the
// thread that writes them. What they hold is only a shortcut to what the changelog says: whatever
// is wrong with them is logged, and the changelog is read instead.
//
//   auto snapshots = Snapshots::Open({folder, changelog, max_age}, probe);   // null: none
//   if (auto reader = snapshots->Find(3)) …
//   auto draft = snapshots->Begin(header);  draft->Append(entries, count); …  draft->Finish();
//   snapshots->Write(header, walk);         // all of it, in the thread
//
// Threads: one uses it; a draft belongs to it.
namespace prometheus {
class Counter;
class Registry;
}  // namespace prometheus

namespace levada::runtime {

// Where restored state came from, and what became of snapshots.
class SnapshotProbe {
 public:
  SnapshotProbe(prometheus::Registry& registry, const std::map<std::string, std::string>& labels);

  void Restored(uint64_t from_snapshot, uint64_t from_changelog);
  void Written();
  void Failed();
  void Ignored();

 private:
  prometheus::Counter* from_snapshot_;
  prometheus::Counter* from_changelog_;
  prometheus::Counter* written_;
  prometheus::Counter* failed_;
  prometheus::Counter* ignored_;
};

class Snapshots {
 public:
  struct Options {
    std::string folder;  // the worker's own
    std::string topic;   // the changelog
    // The changelog keeps tombstones for longer: behind an older snapshot one may be gone, and the
    // key would come back.
    std::chrono::milliseconds max_age{0};
    // How long Find waits for what is being written.
    std::chrono::milliseconds find_waits{10'000};
  };

  // A snapshot that is being written.
  class Draft {
   public:
    // From any thread; the bytes are written later.
    void Append(std::string entries, uint64_t count);
    // It takes the place of the one before.
    void Finish();
    // So much waits to be written that more should not come now.
    bool busy() const;

   private:
    friend class Snapshots;
    Draft(Snapshots* snapshots, SnapshotHeader header)
        : snapshots_(snapshots), header_(std::move(header)) {}

    Snapshots* snapshots_;
    const SnapshotHeader header_;
    // Of the thread.
    std::unique_ptr<SnapshotWriter> writer_;
    bool failed_ = false;
  };

  // Makes the folder and sees that no other worker uses it. Null where that cannot be had, which is
  // logged.
  static std::unique_ptr<Snapshots> Open(Options options, SnapshotProbe* probe);
  // Writes what waits.
  ~Snapshots();

  // The snapshot of a partition, if it is one of this changelog and not too old. What is still to
  // be written of it is written first; where the disk takes too long for that, it is the one
  // before.
  std::unique_ptr<SnapshotReader> Find(int32_t partition);
  // Says that what Find gave cannot be used after all, and removes it.
  void Ignore(int32_t partition, std::string_view reason);

  // A draft that is given up is removed.
  std::shared_ptr<Draft> Begin(SnapshotHeader header);
  void Write(SnapshotHeader header, std::unique_ptr<StateWalk> walk);

  // Waits until all is written, for so long at most; whether it is.
  bool AwaitIdle(std::chrono::milliseconds limit);
  SnapshotProbe* probe() { return probe_; }

 private:
  Snapshots(Options options, int lock, SnapshotProbe* probe);

  std::string PathOf(int32_t partition) const;
  void RemoveOld();
  void Do(std::function<void()> job, size_t bytes = 0);
  void WriteEntries(Draft* draft, const std::string& entries, uint64_t count);
  void End(Draft* draft);
  void Failed(Draft* draft, const absl::Status& status);
  void Work();

  const Options options_;
  const int lock_;  // file
  SnapshotProbe* const probe_;

  struct Job {
    std::function<void()> run;
    size_t bytes = 0;
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  size_t waiting_bytes_ = 0;
  bool working_ = false;
  bool slow_ = false;  // Find did not wait for the end of what is being written
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace levada::runtime
