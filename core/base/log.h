#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

// The log of a program: one line an event on standard error, JSON for machines or columns for
// people.
//
//   StartLog({.fields = {{"service", "scoring"}, {"stage", "detect"}}});
//   LogInfo("partitions assigned", {{"topic", topic}, {"partitions", 6}});
//
//   {"ts":"2024-03-01T12:34:56.789Z","level":"info","msg":"partitions assigned",
//    "service":"scoring","stage":"detect","topic":"transactions","partitions":6}
//
// The message is a constant text; what varies goes into fields. Values that came from Secrets are
// replaced by *** wherever they turn up.
//
// Thread-safety: everything may be called from several threads; StartLog once, before the others.
namespace levada::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class LogFormat { kAuto, kJson, kText };  // kAuto: text on a terminal, else JSON

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kAuto;
  std::vector<std::pair<std::string, std::string>> fields;  // on every line
};

// Without it the log is at kInfo, kAuto and has no fields.
void StartLog(const LogOptions& options);
void SetLogLevel(LogLevel level);
bool LogEnabled(LogLevel level);

// "debug", "info", "warn", "error"; "auto", "json", "text".
absl::StatusOr<LogLevel> ParseLogLevel(std::string_view text);
absl::StatusOr<LogFormat> ParseLogFormat(std::string_view text);

struct LogField {
  template <typename T>
  LogField(std::string_view field_key, const T& field_value) : key(field_key) {
    if constexpr (std::is_same_v<T, bool>) {
      value = field_value;
    } else if constexpr (std::signed_integral<T>) {
      value = static_cast<int64_t>(field_value);
    } else if constexpr (std::unsigned_integral<T>) {
      value = static_cast<uint64_t>(field_value);
    } else if constexpr (std::floating_point<T>) {
      value = static_cast<double>(field_value);
    } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      value = std::string_view(field_value);
    } else {  // absl::string_view where it is a type of its own
      value = std::string_view(field_value.data(), field_value.size());
    }
  }

  std::string_view key;
  std::variant<std::string_view, bool, int64_t, uint64_t, double> value;
};

using LogFields = std::initializer_list<LogField>;

void Log(LogLevel level, std::string_view message, LogFields fields = {});
inline void LogDebug(std::string_view message, LogFields fields = {}) {
  if (LogEnabled(LogLevel::kDebug)) Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarn(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kWarn, message, fields);
}
inline void LogError(std::string_view message, LogFields fields = {}) {
  Log(LogLevel::kError, message, fields);
}

// For what a bad input could repeat a million times: at most one line in `interval`, with the
// number of those left out since the last one as "suppressed".
//
//   static LogLimiter limiter(10s);
//   LogEvery(limiter, LogLevel::kWarn, "record dead-lettered", {{"error", error}});
class LogLimiter {
 public:
  explicit LogLimiter(std::chrono::milliseconds interval) : interval_(interval) {}

 private:
  friend void LogEvery(LogLimiter& limiter, LogLevel level, std::string_view message,
                       LogFields fields);

  const std::chrono::steady_clock::duration interval_;
  std::atomic<int64_t> next_{INT64_MIN};  // steady_clock ticks
  std::atomic<uint64_t> suppressed_{0};
};

void LogEvery(LogLimiter& limiter, LogLevel level, std::string_view message, LogFields fields = {});

// From now on `secret` is written as ***. Texts of less than four bytes are not looked for.
void HideInLogs(std::string_view secret);

}  // namespace levada::base
