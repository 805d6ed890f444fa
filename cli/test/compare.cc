#include "cli/test/compare.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/pipeline/rules.h"

namespace levada::cli {
namespace {

using nlohmann::json;

constexpr double kTolerance = 1e-9;
// Beyond this many pairs records are compared place by place.
constexpr size_t kMaxPairs = 250'000;

bool NumbersEqual(const json& a, const json& b) {
  if (a.is_number_integer() && b.is_number_integer()) return a == b;
  const double x = a.get<double>();
  const double y = b.get<double>();
  return std::abs(x - y) <= kTolerance * std::max(std::abs(x), std::abs(y));
}

class Differ {
 public:
  Differ(bool exact, std::vector<Difference>* out) : exact_(exact), out_(out) {}

  void Values(const std::string& path, const json& expected, const json& got) {
    if (expected.is_object() && got.is_object()) return Objects(path, expected, got);
    if (expected.is_array() && got.is_array()) return Lists(path, expected, got);
    const bool numbers = expected.is_number() && got.is_number();
    if (numbers ? NumbersEqual(expected, got) : expected == got) return;
    out_->push_back({path, expected, got});
  }

 private:
  void Objects(const std::string& path, const json& expected, const json& got) {
    for (const auto& [key, value] : expected.items()) {
      const auto found = got.find(key);
      if (found == got.end()) {
        out_->push_back({pipeline::Join(path, key), value, std::nullopt});
      } else {
        Values(pipeline::Join(path, key), value, *found);
      }
    }
    if (!exact_) return;
    for (const auto& [key, value] : got.items()) {
      if (!expected.contains(key)) {
        out_->push_back({pipeline::Join(path, key), std::nullopt, value});
      }
    }
  }

  void Lists(const std::string& path, const json& expected, const json& got) {
    for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
      const std::string child = pipeline::Join(path, i);
      if (i >= got.size()) {
        out_->push_back({child, expected[i], std::nullopt});
      } else if (i >= expected.size()) {
        out_->push_back({child, std::nullopt, got[i]});
      } else {
        Values(child, expected[i], got[i]);
      }
    }
  }

  const bool exact_;
  std::vector<Difference>* out_;
};

using Pairs = std::vector<std::vector<std::vector<Difference>>>;

// How far apart two records are: 0 the same, 2 no field alike, as much as one missing and one more.
double Distance(const json& expected, const std::vector<Difference>& differences) {
  if (differences.empty()) return 0;
  const auto wrong = static_cast<double>(differences.size());
  const auto missed = static_cast<double>(
      std::count_if(differences.begin(), differences.end(),
                    [](const Difference& difference) { return difference.expected.has_value(); }));
  const double fields = expected.is_object() ? static_cast<double>(expected.size()) : 0;
  const double alike = std::max(0.0, fields - missed);
  return alike == 0 ? 2 : 0.5 + 1.5 * wrong / (wrong + alike);
}

// The cheapest way from one list to the other (edit distance).
class Alignment {
 public:
  Alignment(const std::vector<json>& expected, const std::vector<json>& got, Pairs pairs)
      : pairs_(std::move(pairs)), rows_(expected.size()), columns_(got.size()) {
    costs_.assign(rows_ + 1, std::vector<double>(columns_ + 1, 0));
    for (size_t i = rows_ + 1; i-- > 0;) {
      for (size_t j = columns_ + 1; j-- > 0;) Fill(expected, i, j);
    }
  }

  std::vector<Mismatch> Mismatches() {
    std::vector<Mismatch> out;
    size_t i = 0, j = 0;
    while (i < rows_ || j < columns_) {
      const bool missing = i < rows_ && costs_[i][j] == costs_[i + 1][j] + 1;
      const bool more = j < columns_ && costs_[i][j] == costs_[i][j + 1] + 1;
      if (missing) {
        out.push_back({static_cast<int>(i++), -1, {}});
      } else if (more) {
        out.push_back({-1, static_cast<int>(j++), {}});
      } else {
        if (!pairs_[i][j].empty()) {
          out.push_back({static_cast<int>(i), static_cast<int>(j), std::move(pairs_[i][j])});
        }
        ++i, ++j;
      }
    }
    return out;
  }

 private:
  void Fill(const std::vector<json>& expected, size_t i, size_t j) {
    if (i == rows_ && j == columns_) return;
    double best = std::numeric_limits<double>::max();
    if (i < rows_) best = costs_[i + 1][j] + 1;
    if (j < columns_) best = std::min(best, costs_[i][j + 1] + 1);
    if (i < rows_ && j < columns_) {
      best = std::min(best, costs_[i + 1][j + 1] + Distance(expected[i], pairs_[i][j]));
    }
    costs_[i][j] = best;
  }

  Pairs pairs_;
  const size_t rows_;
  const size_t columns_;
  std::vector<std::vector<double>> costs_;
};

std::vector<Mismatch> ByPlace(const std::vector<json>& expected, const std::vector<json>& got,
                              v1::TestMatch match) {
  std::vector<Mismatch> out;
  for (size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
    const int place = static_cast<int>(i);
    if (i >= got.size()) {
      out.push_back({place, -1, {}});
    } else if (i >= expected.size()) {
      out.push_back({-1, place, {}});
    } else if (auto differences = Differences(expected[i], got[i], match); !differences.empty()) {
      out.push_back({place, place, std::move(differences)});
    }
  }
  return out;
}

// Which record stands for which that is expected, as many as possible (Kuhn's augmenting paths):
// a record may do for several that are expected.
class Matching {
 public:
  Matching(const Pairs& pairs, size_t expected, size_t got)
      : pairs_(pairs), of_expected_(expected, -1), of_got_(got, -1) {
    for (size_t i = 0; i < expected; ++i) {
      tried_.assign(got, false);
      Place(static_cast<int>(i));
    }
  }

  const std::vector<int>& of_expected() const { return of_expected_; }
  const std::vector<int>& of_got() const { return of_got_; }

 private:
  bool Place(int i) {
    for (size_t j = 0; j < of_got_.size(); ++j) {
      if (tried_[j] || !pairs_[i][j].empty()) continue;
      tried_[j] = true;
      if (of_got_[j] >= 0 && !Place(of_got_[j])) continue;
      of_got_[j] = i;
      of_expected_[i] = static_cast<int>(j);
      return true;
    }
    return false;
  }

  const Pairs& pairs_;
  std::vector<int> of_expected_;
  std::vector<int> of_got_;
  std::vector<bool> tried_;
};

// What is left over on both sides is paired with what is most like it.
std::vector<Mismatch> InAnyOrder(const std::vector<json>& expected, const std::vector<json>& got,
                                 Pairs pairs) {
  const Matching matching(pairs, expected.size(), got.size());
  std::vector<bool> taken(got.size());
  std::vector<Mismatch> out;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (matching.of_expected()[i] >= 0) continue;
    int nearest = -1;
    for (size_t j = 0; j < got.size(); ++j) {
      if (matching.of_got()[j] >= 0 || taken[j] || Distance(expected[i], pairs[i][j]) >= 2)
        continue;
      if (nearest < 0 || pairs[i][j].size() < pairs[i][nearest].size()) {
        nearest = static_cast<int>(j);
      }
    }
    Mismatch mismatch{static_cast<int>(i), nearest, {}};
    if (nearest >= 0) {
      taken[nearest] = true;
      mismatch.differences = std::move(pairs[i][nearest]);
    }
    out.push_back(std::move(mismatch));
  }
  for (size_t j = 0; j < got.size(); ++j) {
    if (matching.of_got()[j] < 0 && !taken[j]) out.push_back({-1, static_cast<int>(j), {}});
  }
  return out;
}

}  // namespace

std::vector<Difference> Differences(const json& expected, const json& got, v1::TestMatch match) {
  std::vector<Difference> out;
  Differ(match == v1::TEST_MATCH_EXACT, &out).Values("", expected, got);
  return out;
}

std::vector<Mismatch> Compare(const std::vector<json>& expected, const std::vector<json>& got,
                              v1::TestMatch match) {
  const bool any_order = match == v1::TEST_MATCH_ANY_ORDER;
  if (!any_order) {
    std::vector<Mismatch> by_place = ByPlace(expected, got, match);
    if (by_place.empty() || expected.size() * got.size() > kMaxPairs) return by_place;
  }
  Pairs pairs(expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    for (const json& record : got) pairs[i].push_back(Differences(expected[i], record, match));
  }
  return any_order ? InAnyOrder(expected, got, std::move(pairs))
                   : Alignment(expected, got, std::move(pairs)).Mismatches();
}

}  // namespace levada::cli
