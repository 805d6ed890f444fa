#include "core/base/units.h"

#include <array>
#include <cmath>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "core/base/strings.h"

namespace levada::base {
namespace {

constexpr int64_t kMaxMillis = int64_t{100'000} * 24 * 3600 * 1000;

struct Unit {
  std::string_view name;
  int64_t factor;
};

constexpr std::array<Unit, 5> kTimeUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

constexpr std::array<Unit, 11> kByteUnits = {{{"Ki", int64_t{1} << 10},
                                              {"Mi", int64_t{1} << 20},
                                              {"Gi", int64_t{1} << 30},
                                              {"Ti", int64_t{1} << 40},
                                              {"Pi", int64_t{1} << 50},
                                              {"k", 1'000},
                                              {"K", 1'000},
                                              {"M", 1'000'000},
                                              {"G", 1'000'000'000},
                                              {"T", 1'000'000'000'000},
                                              {"P", 1'000'000'000'000'000}}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

// Takes <digits>[.<digits>] off the front of `text`; false where there is none. The whole part and
// the fraction (in 0..1) are kept apart so that whole amounts stay exact.
struct Amount {
  int64_t whole = 0;
  double fraction = 0;
};

bool TakeAmount(std::string_view* text, Amount* amount) {
  constexpr int64_t kLimit = int64_t{1} << 60;
  size_t at = 0;
  for (; at < text->size() && IsDigit((*text)[at]); ++at) {
    if (amount->whole > kLimit / 10) return false;
    amount->whole = amount->whole * 10 + ((*text)[at] - '0');
  }
  if (at == 0) return false;
  if (at < text->size() && (*text)[at] == '.') {
    const size_t first = ++at;
    double scale = 1;
    for (; at < text->size() && IsDigit((*text)[at]); ++at) {
      scale /= 10;
      amount->fraction += scale * ((*text)[at] - '0');
    }
    if (at == first) return false;
  }
  text->remove_prefix(at);
  return true;
}

std::string_view TakeLetters(std::string_view* text) {
  size_t at = 0;
  while (at < text->size() && IsLetter((*text)[at])) ++at;
  const std::string_view letters = text->substr(0, at);
  text->remove_prefix(at);
  return letters;
}

// amount * factor, or -1 where that is more than `limit`.
int64_t Scale(const Amount& amount, int64_t factor, int64_t limit) {
  if (amount.whole > limit / factor) return -1;
  const int64_t rest = std::llround(amount.fraction * static_cast<double>(factor));
  const int64_t whole = amount.whole * factor;
  return rest > limit - whole ? -1 : whole + rest;
}

template <size_t kSize>
const Unit* FindUnit(const std::array<Unit, kSize>& units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

absl::Status Bad(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("\"", text, "\" is not a ", what));
}

}  // namespace

absl::StatusOr<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  constexpr std::string_view kWhat =
      "duration: expected a form like 7d, 1h30m, 90s or 500ms (units d h m s ms, largest first)";
  if (text == "0") return std::chrono::milliseconds(0);
  if (text.empty()) return Bad(text, kWhat);
  std::string_view rest = text;
  int64_t total = 0;
  const Unit* previous = nullptr;
  while (!rest.empty()) {
    Amount amount;
    if (!TakeAmount(&rest, &amount)) return Bad(text, kWhat);
    const Unit* unit = FindUnit(kTimeUnits, TakeLetters(&rest));
    if (unit == nullptr || (previous != nullptr && unit <= previous)) return Bad(text, kWhat);
    previous = unit;
    const int64_t millis = Scale(amount, unit->factor, kMaxMillis);
    if (millis < 0 || millis > kMaxMillis - total) {
      return Bad(text, "duration that can be used: at most 100000d");
    }
    total += millis;
  }
  return std::chrono::milliseconds(total);
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  int64_t left = duration.count();
  if (left == 0) return "0s";
  std::string text;
  if (left < 0) text = "-";
  for (const Unit& unit : kTimeUnits) {
    const int64_t count = std::abs(left / unit.factor);
    left %= unit.factor;
    if (count != 0) StrAppend(&text, count, unit.name);
  }
  return text;
}

absl::StatusOr<int64_t> ParseBytes(std::string_view text) {
  constexpr std::string_view kWhat =
      "size: expected a form like 128Mi, 1Gi, 500k or 1024 (units Ki Mi Gi Ti Pi, k M G T P)";
  constexpr int64_t kMaxBytes = int64_t{1} << 60;
  std::string_view rest = text;
  Amount amount;
  if (!TakeAmount(&rest, &amount)) return Bad(text, kWhat);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  std::string_view name = TakeLetters(&rest);
  if (!rest.empty()) return Bad(text, kWhat);
  if (!name.empty() && name.back() == 'B') name.remove_suffix(1);
  const Unit* unit = FindUnit(kByteUnits, name);
  if (unit == nullptr && !name.empty()) return Bad(text, kWhat);
  const int64_t bytes = Scale(amount, unit == nullptr ? 1 : unit->factor, kMaxBytes);
  if (bytes < 0) return Bad(text, "size that can be used: at most 1024Pi");
  return bytes;
}

std::string FormatBytes(int64_t bytes) {
  constexpr std::array<std::string_view, 6> kNames = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  // 1023.95 would be printed as 1024.0 of the smaller unit.
  while (std::abs(value) >= (unit == 0 ? 1024 : 1023.95) && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  if (unit == 0) return StrCat(bytes, " B");
  std::string text = absl::StrFormat("%.1f", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return StrCat(text, " ", kNames[unit]);
}

}  // namespace levada::base
