#include "core/base/suggest.h"

#include <algorithm>
#include <vector>

#include "core/base/strings.h"

namespace levada::base {
namespace {

constexpr size_t kLongest = 128;  // longer names are not compared: it would take long

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return lower;
}

template <typename Name>
std::string_view NearestOf(std::string_view name, std::span<const Name> candidates) {
  if (name.empty() || name.size() > kLongest) return {};
  const std::string lower = Lower(name);
  std::string_view nearest;
  int fewest = std::max(1, static_cast<int>(name.size()) / 3) + 1;
  for (const Name& candidate : candidates) {
    const std::string_view text(candidate);
    if (text.size() > kLongest) continue;
    const int distance = EditDistance(lower, Lower(text));
    // A name of which nothing is left is not near.
    if (distance >= fewest || distance >= static_cast<int>(text.size())) continue;
    fewest = distance;
    nearest = text;
  }
  return nearest;
}

std::string Question(std::string_view nearest) {
  return nearest.empty() ? std::string() : StrCat("; did you mean \"", nearest, "\"?");
}

}  // namespace

int EditDistance(std::string_view a, std::string_view b) {
  // Rows of the usual table: the current one and the two before it.
  std::vector<int> before_last(b.size() + 1);
  std::vector<int> last(b.size() + 1);
  std::vector<int> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string_view Nearest(std::string_view name, std::span<const std::string> candidates) {
  return NearestOf(name, candidates);
}

std::string_view Nearest(std::string_view name, std::span<const std::string_view> candidates) {
  return NearestOf(name, candidates);
}

std::string DidYouMean(std::string_view name, std::span<const std::string> candidates) {
  return Question(Nearest(name, candidates));
}

std::string DidYouMean(std::string_view name, std::span<const std::string_view> candidates) {
  return Question(Nearest(name, candidates));
}

}  // namespace levada::base
