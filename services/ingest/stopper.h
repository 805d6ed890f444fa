#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Ends waiting in one thread from another.
//
// Thread-safety: all methods may be called from several threads.
namespace levada::ingest {

class Stopper {
 public:
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
  }
  bool stopped() const {
    std::lock_guard lock(mutex_);
    return stopped_;
  }
  // False: stopped.
  template <typename Duration>
  bool Sleep(Duration duration) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, duration, [&] { return stopped_; });
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
};

}  // namespace levada::ingest
