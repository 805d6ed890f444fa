#include "core/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <mutex>

#include "absl/status/status.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/utf8.h"

namespace levada::base {
namespace {

constexpr size_t kShortestHidden = 4;

struct LogState {
  std::shared_ptr<spdlog::logger> logger;
  bool text = false;
  std::string fixed_json;  // `,"service":"scoring"`, behind the message
  std::string fixed_text;  // ` service=scoring`
  std::mutex hidden_mutex;
  std::vector<std::string> hidden;  // as it is, and as it looks in JSON
};

bool WantsText(LogFormat format) {
  if (format == LogFormat::kAuto) return isatty(STDERR_FILENO) == 1;
  return format == LogFormat::kText;
}

// Never destroyed: threads may log while the program ends.
LogState& State() {
  static LogState* const state = [] {
    auto* made = new LogState;
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    made->logger = std::make_shared<spdlog::logger>("levada", std::move(sink));
    made->logger->set_pattern("%v");
    made->logger->set_level(spdlog::level::info);
    made->text = WantsText(LogFormat::kAuto);
    return made;
  }();
  return *state;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

std::string_view Name(LogLevel level) {
  constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
  return kNames[static_cast<int>(level)];
}

// The contents of a JSON string. core/json has the fast one, and stands above this folder.
void AppendEscaped(std::string_view text, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    const int length = Utf8SequenceLength(p, end);
    if (length <= 0) {
      out->append("\uFFFD");
      ++p;
      continue;
    }
    const char c = *p;
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (length == 1 && static_cast<uint8_t>(c) < 0x20) {
      const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 0xF]};
      out->append(escape, sizeof escape);
    } else {
      out->append(p, static_cast<size_t>(length));
    }
    p += length;
  }
}

void AppendQuoted(std::string_view text, std::string* out) {
  out->push_back('"');
  AppendEscaped(text, out);
  out->push_back('"');
}

template <typename Number>
void AppendNumber(Number value, std::string* out) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out->append(text, static_cast<size_t>(end - text));
}

// Text that could be taken for several fields is quoted on a terminal as well.
bool NeedsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (static_cast<uint8_t>(c) <= ' ' || c == '"' || c == '=' || c == '\x7f') return true;
  }
  return false;
}

void AppendValue(const LogField& field, bool text_format, std::string* out) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    if (text_format && !NeedsQuotes(*text)) {
      out->append(*text);
    } else {
      AppendQuoted(*text, out);
    }
  } else if (const auto* flag = std::get_if<bool>(&field.value)) {
    out->append(*flag ? "true" : "false");
  } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
    AppendNumber(*number, out);
  } else if (const auto* count = std::get_if<uint64_t>(&field.value)) {
    AppendNumber(*count, out);
  } else if (const double real = std::get<double>(field.value); std::isfinite(real)) {
    AppendNumber(real, out);
  } else {
    out->append("null");
  }
}

void AppendField(const LogField& field, bool text_format, std::string* out) {
  if (text_format) {
    out->push_back(' ');
    out->append(field.key);
    out->push_back('=');
  } else {
    out->push_back(',');
    AppendQuoted(field.key, out);
    out->push_back(':');
  }
  AppendValue(field, text_format, out);
}

void Hide(LogState& state, std::string* line) {
  const std::lock_guard<std::mutex> lock(state.hidden_mutex);
  for (const std::string& secret : state.hidden) {
    for (size_t at = line->find(secret); at != std::string::npos; at = line->find(secret, at)) {
      line->replace(at, secret.size(), "***");
      at += 3;
    }
  }
}

void Write(LogLevel level, std::string_view message, LogFields fields, const LogField* last) {
  LogState& state = State();
  const bool text = state.text;
  std::string line;
  line.reserve(256);
  if (text) {
    AppendTimestampMillis(NowMicros(), &line);
    line.push_back(' ');
    std::string name(Name(level));
    name.resize(6, ' ');
    line.append(name);
    line.append(message);
  } else {
    line.append("{\"ts\":\"");
    AppendTimestampMillis(NowMicros(), &line);
    StrAppend(&line, "\",\"level\":\"", Name(level), "\",\"msg\":");
    AppendQuoted(message, &line);
  }
  line.append(text ? state.fixed_text : state.fixed_json);
  for (const LogField& field : fields) AppendField(field, text, &line);
  if (last != nullptr) AppendField(*last, text, &line);
  if (!text) line.push_back('}');
  Hide(state, &line);
  state.logger->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void StartLog(const LogOptions& options) {
  LogState& state = State();
  state.text = WantsText(options.format);
  state.fixed_json.clear();
  state.fixed_text.clear();
  for (const auto& [key, value] : options.fields) {
    AppendField({key, value}, /*text_format=*/false, &state.fixed_json);
    AppendField({key, value}, /*text_format=*/true, &state.fixed_text);
  }
  SetLogLevel(options.level);
}

void SetLogLevel(LogLevel level) { State().logger->set_level(ToSpdlog(level)); }

bool LogEnabled(LogLevel level) { return State().logger->should_log(ToSpdlog(level)); }

absl::StatusOr<LogLevel> ParseLogLevel(std::string_view text) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError}) {
    if (text == Name(level)) return level;
  }
  return absl::InvalidArgumentError(
      StrCat("\"", text, "\" is not a log level: expected debug, info, warn or error"));
}

absl::StatusOr<LogFormat> ParseLogFormat(std::string_view text) {
  if (text == "auto") return LogFormat::kAuto;
  if (text == "json") return LogFormat::kJson;
  if (text == "text") return LogFormat::kText;
  return absl::InvalidArgumentError(
      StrCat("\"", text, "\" is not a log format: expected auto, json or text"));
}

void Log(LogLevel level, std::string_view message, LogFields fields) {
  if (LogEnabled(level)) Write(level, message, fields, nullptr);
}

void LogEvery(LogLimiter& limiter, LogLevel level, std::string_view message, LogFields fields) {
  if (!LogEnabled(level)) return;
  const int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  int64_t next = limiter.next_.load(std::memory_order_relaxed);
  if (now < next || !limiter.next_.compare_exchange_strong(next, now + limiter.interval_.count())) {
    limiter.suppressed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const uint64_t suppressed = limiter.suppressed_.exchange(0, std::memory_order_relaxed);
  const LogField field("suppressed", suppressed);
  Write(level, message, fields, suppressed == 0 ? nullptr : &field);
}

void HideInLogs(std::string_view secret) {
  if (secret.size() < kShortestHidden) return;
  LogState& state = State();
  std::string escaped;
  AppendEscaped(secret, &escaped);
  const std::lock_guard<std::mutex> lock(state.hidden_mutex);
  for (std::string text : {std::string(secret), escaped}) {
    if (std::find(state.hidden.begin(), state.hidden.end(), text) == state.hidden.end()) {
      state.hidden.push_back(std::move(text));
    }
  }
}

}  // namespace levada::base
