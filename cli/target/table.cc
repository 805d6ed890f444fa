#include "cli/target/table.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/base/units.h"

namespace levada::cli {
namespace {

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

bool SaysNothing(std::string_view cell) { return cell.empty() || cell == "-"; }

}  // namespace

int Characters(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !IsContinuation(byte); }));
}

std::string Clip(std::string_view text, int width) {
  if (width <= 0) return std::string(text);
  size_t end = 0;
  for (int left = width; end < text.size(); ++end) {
    if (!IsContinuation(text[end]) && left-- == 0) break;
  }
  return std::string(text.substr(0, end));
}

std::string Table::Render(int width) const {
  std::vector<int> widths(columns_.size(), 0);
  for (size_t i = 0; i < columns_.size(); ++i) {
    for (const std::vector<std::string>& row : rows_) {
      if (!SaysNothing(row[i])) widths[i] = Characters(columns_[i].title);
    }
    for (const std::vector<std::string>& row : rows_) {
      if (widths[i] > 0) widths[i] = std::max(widths[i], Characters(row[i]));
    }
  }
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == 0) continue;
      const std::string_view cell = cell_of(i);
      const std::string room(static_cast<size_t>(widths[i] - Characters(cell)), ' ');
      if (!text.empty()) text += "  ";
      text +=
          columns_[i].align == Align::kRight ? base::StrCat(room, cell) : base::StrCat(cell, room);
    }
    text = Clip(text, width);
    while (text.ends_with(' ')) text.pop_back();
    return text + "\n";
  };
  std::string text = line([&](size_t i) { return columns_[i].title; });
  for (const std::vector<std::string>& row : rows_) {
    text += line([&](size_t i) { return std::string_view(row[i]); });
  }
  return text;
}

std::string CountCell(int64_t number) {
  if (number < 0) return "-";
  if (number < 1'000'000) return base::StrCat(number);
  return absl::StrFormat("%.2fM", static_cast<double>(number) / 1e6);
}

std::string BytesCell(int64_t bytes) { return bytes < 0 ? "-" : base::FormatBytes(bytes); }

std::string RateCell(double per_second) {
  if (per_second < 0) return "-";
  return absl::StrFormat(per_second > 0 && per_second < 10 ? "%.1f" : "%.0f", per_second);
}

std::string MillisCell(double ms) {
  if (ms < 0) return "-";
  return ms < 10       ? absl::StrFormat("%.1fms", ms)
         : ms < 10'000 ? absl::StrFormat("%.0fms", ms)
                       : absl::StrFormat("%.0fs", ms / 1e3);
}

std::string AgeCell(std::string_view time, int64_t now_micros) {
  const auto at = base::ParseTimestamp(time);
  if (time.empty() || !at.ok()) return "-";
  const int64_t seconds = std::max<int64_t>(0, (now_micros - *at) / base::kMicrosPerSecond);
  if (seconds < 120) return base::StrCat(seconds, "s");
  if (seconds < 120 * 60) return base::StrCat(seconds / 60, "m");
  if (seconds < 48 * 3600) return base::StrCat(seconds / 3600, "h");
  return base::StrCat(seconds / 86400, "d");
}

}  // namespace levada::cli
