#include "services/scoring/state/sources.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "services/scoring/state/log_key.h"

namespace levada::scoring {
namespace {

constexpr std::string_view kIdle = " idle";
constexpr size_t kKeyBytes = sizeof(uint32_t);
constexpr size_t kValueBytes = sizeof(int64_t) + 1;

// Takes a number from the beginning of `text`.
template <typename Number>
bool TakeNumber(std::string_view* text, Number* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc()) return false;
  text->remove_prefix(end - text->data());
  return true;
}

void AppendNumber(int64_t number, std::string* text) {
  std::array<char, 20> digits;
  text->append(digits.data(),
               std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

}  // namespace

void SourceTime::AppendTo(std::string* text) const {
  AppendNumber(source, text);
  text->push_back('/');
  AppendNumber(of, text);
  if (time_us != kNoTime) {
    text->push_back(' ');
    AppendNumber(time_us, text);
  }
  if (idle) text->append(kIdle);
}

std::string SourceTime::Text() const {
  std::string text;
  AppendTo(&text);
  return text;
}

bool SourceTime::Read(std::string_view text) {
  time_us = kNoTime;
  if (!TakeNumber(&text, &source) || !text.starts_with('/')) return false;
  text.remove_prefix(1);
  if (!TakeNumber(&text, &of)) return false;
  idle = text.ends_with(kIdle);
  if (idle) text.remove_suffix(kIdle.size());
  if (text.starts_with(' ')) {
    text.remove_prefix(1);
    if (!TakeNumber(&text, &time_us)) return false;
  }
  return text.empty() && source >= 0 && source < Sources::kMax && of >= 0 && of <= Sources::kMax;
}

void Sources::Take(const SourceTime& told) {
  const auto count = static_cast<size_t>(std::max(told.of, told.source + 1));
  const bool more = count > sources_.size();
  if (more) sources_.resize(count);
  Source& source = sources_[told.source];
  const int64_t before = source.time_us;
  const bool moves = told.time_us > before;
  // Only what holds time back can let it go on.
  const bool look = more || source.idle || told.idle || before <= time_us_;
  if (moves || source.idle != told.idle) {
    source.time_us = std::max(before, told.time_us);
    source.idle = told.idle;
    source.changed = changed_ = true;
  }
  if (look) Look();
}

void Sources::Look() {
  int64_t slowest = std::numeric_limits<int64_t>::max();
  int64_t fastest = kNoTime;
  idle_ = true;
  for (const Source& source : sources_) {
    fastest = std::max(fastest, source.time_us);
    if (source.idle) continue;
    idle_ = false;
    slowest = std::min(slowest, source.time_us);
  }
  time_us_ = idle_ ? fastest : slowest;
}

bool Sources::Restore(std::string_view key, std::string_view value) {
  if (key.size() != kKeyBytes || value.size() != kValueBytes) return false;
  const uint64_t number = BigEndian(key);
  if (number >= kMax) return false;
  if (number >= sources_.size()) sources_.resize(number + 1);
  std::memcpy(&sources_[number].time_us, value.data(), sizeof(int64_t));
  sources_[number].idle = value.back() != 0;
  Look();
  return true;
}

std::string Sources::Key(size_t number) {
  std::string key;
  PutBigEndian(number, kKeyBytes, &key);
  return key;
}

std::string Sources::Value(const Source& source) {
  std::string value(kValueBytes, '\0');
  std::memcpy(value.data(), &source.time_us, sizeof(int64_t));
  value.back() = source.idle ? 1 : 0;
  return value;
}

}  // namespace levada::scoring
