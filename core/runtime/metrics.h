#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace prometheus {
class Registry;
}

// The probe that every stage has: the loops say what happened, here it becomes metrics
// (docs/metrics.md) and the numbers of the control service. Called once a batch, not once a record.
// Threads: any.
namespace levada::runtime {

// Quantiles of a stream of durations in fixed memory: 16 buckets to a power of two, so an error of
// at most 6 %. Recent: what is older than two windows of 30 s no longer counts.
class LatencyWindow {
 public:
  void Observe(std::chrono::microseconds value, uint64_t count = 1);
  // Milliseconds; -1 without observations.
  double Quantile(double q) const;

 private:
  static constexpr int kBuckets = 16 * 40;
  using Counts = std::array<std::atomic<uint32_t>, kBuckets>;

  static int BucketOf(uint64_t micros);
  static double MillisOf(int bucket);
  void Rotate();

  Counts windows_[2] = {};
  std::atomic<int> current_{0};
  std::atomic<int64_t> started_s_{0};
};

enum class ErrorType { kKafka, kDestination, kSource };

class StageMetrics {
 public:
  StageMetrics(prometheus::Registry& registry, const std::map<std::string, std::string>& labels);
  ~StageMetrics();

  void In(uint64_t records, uint64_t bytes);
  void Out(uint64_t records, uint64_t bytes);
  void Filtered(uint64_t records);
  void DeadLetters(uint64_t records);
  // Events that came too late for a step; the service has a metric of its own for them.
  void Late(uint64_t events) { late_events_ += events; }
  void Error(ErrorType type, std::string_view message);
  void Retry();
  void Rebalance(int partitions_now);
  void Lag(int64_t records);
  // From the event's arrival in Levada until its result is there for others.
  void Latency(std::chrono::milliseconds latency, uint64_t records);
  void Commit(std::chrono::microseconds took);
  void Ready(bool ready);

  struct Numbers {
    uint64_t records_in = 0;
    uint64_t bytes_in = 0;
    uint64_t records_out = 0;
    uint64_t bytes_out = 0;
    uint64_t filtered = 0;
    uint64_t dead_letters = 0;
    uint64_t late_events = 0;
    uint64_t errors = 0;
    int64_t lag = -1;
    int partitions = 0;
    double latency_p50_ms = -1;
    double latency_p99_ms = -1;
    std::string last_error;         // of `errors`; its beginning, if it is long
    int64_t last_error_micros = 0;  // since 1970
  };
  Numbers Read() const;

 private:
  struct Families;

  std::unique_ptr<Families> prometheus_;
  std::atomic<uint64_t> records_in_{0};
  std::atomic<uint64_t> bytes_in_{0};
  std::atomic<uint64_t> records_out_{0};
  std::atomic<uint64_t> bytes_out_{0};
  std::atomic<uint64_t> filtered_{0};
  std::atomic<uint64_t> dead_letters_{0};
  std::atomic<uint64_t> late_events_{0};
  std::atomic<uint64_t> errors_{0};
  std::atomic<int64_t> lag_{-1};
  std::atomic<int> partitions_{0};
  LatencyWindow latency_;
  mutable std::mutex mutex_;  // of the last error
  std::string last_error_;
  int64_t last_error_micros_ = 0;
};

}  // namespace levada::runtime
