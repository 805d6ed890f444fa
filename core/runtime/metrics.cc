#include "core/runtime/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <bit>

#include "core/base/time.h"

namespace levada::runtime {
namespace {

constexpr int64_t kWindowSeconds = 30;
constexpr size_t kShownErrorBytes = 1024;
const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};

int64_t NowSeconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string_view ErrorName(ErrorType type) {
  switch (type) {
    case ErrorType::kKafka:
      return "kafka";
    case ErrorType::kDestination:
      return "destination";
    case ErrorType::kSource:
      return "source";
  }
  return "unknown";
}

}  // namespace

int LatencyWindow::BucketOf(uint64_t micros) {
  if (micros < 16) return static_cast<int>(micros);
  const int exponent = std::bit_width(micros) - 1;  // >= 4
  const int within = static_cast<int>((micros >> (exponent - 4)) & 15);
  return std::min((exponent - 3) * 16 + within, kBuckets - 1);
}

double LatencyWindow::MillisOf(int bucket) {
  if (bucket < 16) return bucket / 1000.0;
  const int exponent = bucket / 16 + 3;
  const double low = static_cast<double>((16ull + bucket % 16) << (exponent - 4));
  return low * (1 + 1.0 / 32) / 1000.0;
}

void LatencyWindow::Rotate() {
  const int64_t now = NowSeconds();
  int64_t started = started_s_.load(std::memory_order_relaxed);
  if (now - started < kWindowSeconds) return;
  if (!started_s_.compare_exchange_strong(started, now)) return;
  const int next = 1 - current_.load();
  for (auto& count : windows_[next]) count.store(0, std::memory_order_relaxed);
  current_ = next;
}

void LatencyWindow::Observe(std::chrono::microseconds value, uint64_t count) {
  Rotate();
  const uint64_t micros = value.count() < 0 ? 0 : static_cast<uint64_t>(value.count());
  windows_[current_.load()][BucketOf(micros)].fetch_add(static_cast<uint32_t>(count),
                                                        std::memory_order_relaxed);
}

double LatencyWindow::Quantile(double q) const {
  uint64_t total = 0;
  for (const Counts& window : windows_) {
    for (const auto& count : window) total += count.load(std::memory_order_relaxed);
  }
  if (total == 0) return -1;
  const double rank = q * static_cast<double>(total);
  uint64_t seen = 0;
  for (int i = 0; i < kBuckets; ++i) {
    seen += windows_[0][i].load(std::memory_order_relaxed);
    seen += windows_[1][i].load(std::memory_order_relaxed);
    if (static_cast<double>(seen) >= rank) return MillisOf(i);
  }
  return MillisOf(kBuckets - 1);
}

struct StageMetrics::Families {
  using Labels = std::map<std::string, std::string>;

  Families(prometheus::Registry& registry, const Labels& labels)
      : in(Counter(registry, labels, "levada_records_in_total", "Records taken in.")),
        bytes_in(Counter(registry, labels, "levada_bytes_in_total",
                         "Bytes of keys and values taken in.")),
        out(Counter(registry, labels, "levada_records_out_total",
                    "Records that were sent on and are there for others.")),
        bytes_out(Counter(registry, labels, "levada_bytes_out_total",
                          "Bytes of keys and values sent on.")),
        filtered(Counter(registry, labels, "levada_records_filtered_total",
                         "Records that the manifest says to leave out.")),
        dead(Counter(registry, labels, "levada_dead_letters_total",
                     "Records written to the dead-letter topic.")),
        retries(Counter(registry, labels, "levada_retries_total",
                        "Times that something was tried again after a failure.")),
        rebalances(Counter(registry, labels, "levada_rebalances_total",
                           "Changes of the partitions that this worker reads.")),
        partitions(
            Gauge(registry, labels, "levada_partitions", "Partitions that this worker reads now.")),
        lag(Gauge(registry, labels, "levada_lag_records",
                  "Records between this worker's position and the end of its partitions.")),
        ready(Gauge(registry, labels, "levada_ready", "1 while the worker takes work, else 0.")),
        latency(Seconds(registry, labels, "levada_latency_seconds",
                        "From an event's arrival in Levada to this stage's result, sampled.")),
        commit(Seconds(registry, labels, "levada_commit_seconds",
                       "Time to commit a transaction, or results and offsets.")),
        errors(prometheus::BuildCounter()
                   .Name("levada_errors_total")
                   .Help("Failures that are not the data's fault, by error_type.")
                   .Labels(labels)
                   .Register(registry)) {
    for (ErrorType type : {ErrorType::kKafka, ErrorType::kDestination, ErrorType::kSource}) {
      errors.Add({{"error_type", std::string(ErrorName(type))}});
    }
  }

  static prometheus::Counter& Counter(prometheus::Registry& registry, const Labels& labels,
                                      const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry).Add(
        {});
  }
  static prometheus::Gauge& Gauge(prometheus::Registry& registry, const Labels& labels,
                                  const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Labels(labels).Register(registry).Add({});
  }
  static prometheus::Histogram& Seconds(prometheus::Registry& registry, const Labels& labels,
                                        const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels).Register(registry).Add(
        {}, kSeconds);
  }

  prometheus::Counter& in;
  prometheus::Counter& bytes_in;
  prometheus::Counter& out;
  prometheus::Counter& bytes_out;
  prometheus::Counter& filtered;
  prometheus::Counter& dead;
  prometheus::Counter& retries;
  prometheus::Counter& rebalances;
  prometheus::Gauge& partitions;
  prometheus::Gauge& lag;
  prometheus::Gauge& ready;
  prometheus::Histogram& latency;
  prometheus::Histogram& commit;
  prometheus::Family<prometheus::Counter>& errors;
};

StageMetrics::StageMetrics(prometheus::Registry& registry,
                           const std::map<std::string, std::string>& labels)
    : prometheus_(std::make_unique<Families>(registry, labels)) {}

StageMetrics::~StageMetrics() = default;

void StageMetrics::In(uint64_t records, uint64_t bytes) {
  records_in_ += records;
  bytes_in_ += bytes;
  prometheus_->in.Increment(static_cast<double>(records));
  prometheus_->bytes_in.Increment(static_cast<double>(bytes));
}

void StageMetrics::Out(uint64_t records, uint64_t bytes) {
  records_out_ += records;
  bytes_out_ += bytes;
  prometheus_->out.Increment(static_cast<double>(records));
  prometheus_->bytes_out.Increment(static_cast<double>(bytes));
}

void StageMetrics::Filtered(uint64_t records) {
  filtered_ += records;
  prometheus_->filtered.Increment(static_cast<double>(records));
}

void StageMetrics::DeadLetters(uint64_t records) {
  dead_letters_ += records;
  prometheus_->dead.Increment(static_cast<double>(records));
}

void StageMetrics::Error(ErrorType type, std::string_view message) {
  ++errors_;
  prometheus_->errors.Add({{"error_type", std::string(ErrorName(type))}}).Increment();
  const std::lock_guard lock(mutex_);
  last_error_ = message.substr(0, kShownErrorBytes);
  last_error_micros_ = base::NowMicros();
}

void StageMetrics::Retry() { prometheus_->retries.Increment(); }

void StageMetrics::Rebalance(int partitions_now) {
  partitions_ = partitions_now;
  prometheus_->rebalances.Increment();
  prometheus_->partitions.Set(partitions_now);
}

void StageMetrics::Lag(int64_t records) {
  lag_ = records;
  if (records >= 0) prometheus_->lag.Set(static_cast<double>(records));
}

void StageMetrics::Latency(std::chrono::milliseconds latency, uint64_t records) {
  latency_.Observe(latency, records);
  prometheus_->latency.Observe(std::chrono::duration<double>(latency).count());
}

void StageMetrics::Commit(std::chrono::microseconds took) {
  prometheus_->commit.Observe(std::chrono::duration<double>(took).count());
}

void StageMetrics::Ready(bool ready) { prometheus_->ready.Set(ready ? 1 : 0); }

StageMetrics::Numbers StageMetrics::Read() const {
  Numbers numbers;
  numbers.records_in = records_in_;
  numbers.bytes_in = bytes_in_;
  numbers.records_out = records_out_;
  numbers.bytes_out = bytes_out_;
  numbers.filtered = filtered_;
  numbers.dead_letters = dead_letters_;
  numbers.late_events = late_events_;
  numbers.errors = errors_;
  numbers.lag = lag_;
  numbers.partitions = partitions_;
  numbers.latency_p50_ms = latency_.Quantile(0.5);
  numbers.latency_p99_ms = latency_.Quantile(0.99);
  const std::lock_guard lock(mutex_);
  numbers.last_error = last_error_;
  numbers.last_error_micros = last_error_micros_;
  return numbers;
}

}  // namespace levada::runtime
