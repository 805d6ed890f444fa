// A header, a row behind the first line break, of any bytes: an event is JSON, and written again as
// a row it is the same event.
#include <cstdint>
#include <cstdlib>

#include "core/json/scan.h"
#include "core/runtime/csv_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using levada::runtime::CsvInput;
  using levada::runtime::CsvOutput;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  if (end == text.npos) return 0;
  const auto in = CsvInput::Make(text.substr(0, end), nullptr);
  if (!in.ok()) return 0;
  const auto event = in->Event(text.substr(end + 1));
  if (!event.ok()) return 0;
  levada::json::Value value;
  if (!levada::json::ScanValue(*event, &value).ok()) std::abort();
  std::vector<std::string> names;
  levada::json::ForEachMember(value.raw, [&](std::string_view key, bool, const auto&) {
    levada::json::Unescape(key, &names.emplace_back());
    return true;
  });
  if (names.empty()) return 0;
  const CsvOutput out(names);
  std::string row;
  if (!out.Append(*event, &row).ok()) std::abort();
  const auto again = CsvInput::Make(out.Header(), nullptr);
  if (!again.ok()) std::abort();
  if (*again->Event(row) != *event) std::abort();
  return 0;
}
