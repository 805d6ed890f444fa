#include <cstdlib>
#include <string_view>

#include "core/json/scan.h"
#include "services/ingest/split.h"

// Any body, in any of the formats: events lie within the body, in order, and put together with what
// is between them they are the body; an array whose elements are all valid is a valid array.

using levada::ingest::Body;
using levada::ingest::Format;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto format = static_cast<Format>(data[0] % 5);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Body body;
  if (!levada::ingest::Split(bytes, format, 100, &body).ok()) return 0;
  if (body.events.empty() && body.format != Format::kLines) std::abort();
  const char* at = bytes.data();
  bool all_valid = true;
  for (const std::string_view event : body.events) {
    if (event.size() != levada::ingest::Trim(event).size()) std::abort();
    levada::json::Value value;
    all_valid = all_valid && levada::json::ScanValue(event, &value).ok();
    if (event.empty()) continue;
    if (event.data() < at || event.data() + event.size() > bytes.data() + bytes.size())
      std::abort();
    at = event.data() + event.size();
  }
  if (body.format == Format::kArray) {
    levada::json::Value value;
    const bool whole = levada::json::ScanValue(levada::ingest::Trim(bytes), &value).ok();
    // Deeper by one than its elements, an array may be too deep where they are not.
    if (whole && !all_valid) std::abort();
    if (all_valid && !whole) {
      const auto code = levada::json::ScanValue(levada::ingest::Trim(bytes), &value).code;
      if (code != levada::json::ScanCode::kTooDeep) std::abort();
    }
  }
  return 0;
}
