// Times, durations and sizes: whatever is accepted is in range and survives its own format.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/time.h"
#include "core/base/units.h"

namespace levada::base {
namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

void CheckTimes(std::string_view text) {
  if (const auto micros = ParseTimestamp(text); micros.ok()) {
    Check(*micros >= kMinMicros && *micros <= kMaxMicros);
    const auto again = ParseTimestamp(FormatTimestamp(*micros));
    Check(again.ok() && *again == *micros);
  } else {
    Check(!micros.status().message().empty());
  }
  if (const auto days = ParseDate(text); days.ok()) Check(FormatDate(*days) == text);
}

void CheckUnits(std::string_view text) {
  if (const auto duration = ParseDuration(text); duration.ok()) {
    Check(duration->count() >= 0);
    const auto again = ParseDuration(FormatDuration(*duration));
    Check(again.ok() && *again == *duration);
  }
  if (const auto bytes = ParseBytes(text); bytes.ok()) {
    Check(*bytes >= 0);
    Check(!FormatBytes(*bytes).empty());
  }
}

}  // namespace
}  // namespace levada::base

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  levada::base::CheckTimes(text);
  levada::base::CheckUnits(text);
  return 0;
}
