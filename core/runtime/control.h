#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

// What a worker is doing, as people and probes see it, and what they ask of it.
// Threads: any.
namespace levada::runtime {

enum class State { kStarting, kRunning, kPaused, kRetrying, kDraining };

std::string_view StateName(State state);

class Control {
 public:
  static constexpr std::chrono::seconds kBeatWithin{120};

  State state() const { return state_.load(std::memory_order_relaxed); }
  std::string message() const;
  // `message` says what it waits for and why; empty when all is well.
  void Set(State state, std::string_view message = "");

  // Asked for by an operator; the loop obeys.
  void Pause() { paused_ = true; }
  void Resume() { paused_ = false; }
  bool paused() const { return paused_.load(std::memory_order_relaxed); }

  // Asked for by SIGTERM: finish what is under way and end.
  void Drain() { draining_ = true; }
  bool draining() const { return draining_.load(std::memory_order_relaxed); }

  // The loop says that it goes round, and will say so again within `next`. When it does not, some
  // call hangs: liveness fails, and the process ends itself to be started again.
  void Beat(std::chrono::seconds next = kBeatWithin);
  bool alive() const;
  // Takes work, and what it depends on was there the last time it was needed.
  bool ready() const { return state() == State::kRunning || state() == State::kPaused; }

 private:
  std::atomic<State> state_{State::kStarting};
  std::atomic<bool> paused_{false};
  std::atomic<bool> draining_{false};
  std::atomic<int64_t> beat_until_{0};  // steady_clock ticks; 0 before the first
  mutable std::mutex mutex_;
  std::string message_;
};

}  // namespace levada::runtime
