#include "operator/kube/diff.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "absl/strings/str_format.h"
#include "core/base/hash.h"
#include "core/base/strings.h"

namespace levada::kube {
namespace {

// How elements of a list of objects are told apart, the first that all of them have.
constexpr std::array<std::string_view, 7> kListKeys = {"name", "type", "containerPort", "mountPath",
                                                       "port", "uid",  "topologyKey"};
// The maps below which texts are quantities, and the fields that are one.
constexpr std::array<std::string_view, 5> kQuantityMaps = {"limits", "requests", "capacity", "hard",
                                                           "overhead"};
constexpr std::array<std::string_view, 2> kQuantities = {"sizeLimit", "storage"};
constexpr size_t kLongestShown = 60;

template <size_t N>
bool IsOneOf(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsEmpty(const Json& value) {
  return value.is_null() || (value.is_structured() && value.empty());
}

// The amount of "1500m", "2Gi", "1e3".
std::optional<long double> Quantity(std::string_view text) {
  const std::string owned(text);
  char* end = nullptr;
  if (owned.empty() || owned.find_first_of("xXnN") == 0) return std::nullopt;
  if (owned.find_first_not_of("0123456789+-.eEnumkKMGTPi") != std::string::npos) {
    return std::nullopt;
  }
  const long double number = std::strtold(owned.c_str(), &end);
  if (end == owned.c_str() || !std::isfinite(number)) return std::nullopt;
  static constexpr std::array<std::pair<std::string_view, long double>, 16> kUnits = {{
      {"", 1.0L},
      {"n", 1e-9L},
      {"u", 1e-6L},
      {"m", 1e-3L},
      {"k", 1e3L},
      {"M", 1e6L},
      {"G", 1e9L},
      {"T", 1e12L},
      {"P", 1e15L},
      {"E", 1e18L},
      {"Ki", 0x1p10L},
      {"Mi", 0x1p20L},
      {"Gi", 0x1p30L},
      {"Ti", 0x1p40L},
      {"Pi", 0x1p50L},
      {"Ei", 0x1p60L},
  }};
  for (const auto& [unit, factor] : kUnits) {
    if (unit == end) return number * factor;
  }
  return std::nullopt;
}

class Comparison {
 public:
  explicit Comparison(size_t limit) : limit_(limit) {}

  void Compare(const Json& live, const Json& wanted, const std::string& path, bool quantity,
               bool hidden) {
    if (Full()) return;
    if (wanted.is_object() && live.is_object()) {
      CompareObjects(live, wanted, path, quantity, hidden);
    } else if (wanted.is_array() && live.is_array()) {
      CompareLists(live, wanted, path, hidden);
    } else if (!(IsEmpty(wanted) && IsEmpty(live)) && !SameScalar(live, wanted, quantity)) {
      Report(path, hidden ? "changes" : base::StrCat(Show(live), " -> ", Show(wanted)));
    }
  }

  std::vector<std::string> Take() { return std::move(found_); }

 private:
  bool Full() const { return found_.size() >= limit_; }

  void CompareObjects(const Json& live, const Json& wanted, const std::string& path, bool quantity,
                      bool hidden) {
    for (const auto& [name, value] : wanted.items()) {
      if (Full()) return;
      const std::string below = path.empty() ? name : base::StrCat(path, ".", name);
      const auto at = live.find(name);
      if (at == live.end()) {
        if (!IsEmpty(value)) Report(below, "added");
        continue;
      }
      Compare(*at, value, below,
              quantity || IsOneOf(kQuantityMaps, name) || IsOneOf(kQuantities, name),
              hidden || (path.empty() && (name == "data" || name == "stringData")));
    }
  }

  void CompareLists(const Json& live, const Json& wanted, const std::string& path, bool hidden) {
    const std::string_view key = KeyOfLists(live, wanted);
    if (key.empty() && live.size() != wanted.size()) {
      return Report(path, base::StrCat(live.size(), " -> ", wanted.size(), " elements"));
    }
    for (size_t i = 0; i < wanted.size(); ++i) {
      const Json* match = key.empty() ? &live[i] : FindBy(live, key, wanted[i]);
      const std::string below =
          base::StrCat(path, "[", key.empty() ? std::to_string(i) : Show(wanted[i][key]), "]");
      if (match == nullptr) {
        Report(below, "added");
      } else {
        Compare(*match, wanted[i], below, false, hidden);
      }
    }
  }

  // The member that all elements of both lists have, with values that differ within each list.
  static std::string_view KeyOfLists(const Json& live, const Json& wanted) {
    if (wanted.empty()) return {};
    for (const std::string_view key : kListKeys) {
      if (IsKeyOf(key, live) && IsKeyOf(key, wanted)) return key;
    }
    return {};
  }

  static bool IsKeyOf(std::string_view key, const Json& list) {
    for (const Json& element : list) {
      const Json* value = Find(element, {key});
      if (value == nullptr || !value->is_primitive()) return false;
      if (FindBy(list, key, element) != &element) return false;
    }
    return true;
  }

  static const Json* FindBy(const Json& list, std::string_view key, const Json& like) {
    for (const Json& element : list) {
      if (*Find(element, {key}) == like[key]) return &element;
    }
    return nullptr;
  }

  static bool SameScalar(const Json& live, const Json& wanted, bool quantity) {
    if (live == wanted) return true;
    if (!quantity) return false;
    const auto text = [](const Json& value) {
      return value.is_string() ? value.get<std::string>() : value.dump();
    };
    return live.is_primitive() && wanted.is_primitive() && SameQuantity(text(live), text(wanted));
  }

  static std::string Show(const Json& value) {
    std::string text = value.is_string()
                           ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
    return text.size() > kLongestShown ? text.substr(0, kLongestShown) + "..." : text;
  }

  void Report(const std::string& path, std::string_view what) {
    if (!Full()) found_.push_back(base::StrCat(path, ": ", what));
  }

  const size_t limit_;
  std::vector<std::string> found_;
};

uint64_t HashOf(const Json& value) {
  if (value.is_object()) {
    // nlohmann::json keeps members sorted by name.
    uint64_t hash = 1;
    for (const auto& [name, member] : value.items()) {
      hash = base::HashCombine(base::HashCombine(hash, base::HashBytes(name)), HashOf(member));
    }
    return hash;
  }
  if (value.is_array()) {
    uint64_t hash = 2;
    for (const Json& element : value) hash = base::HashCombine(hash, HashOf(element));
    return hash;
  }
  return base::HashBytes(value.dump(-1, ' ', false, Json::error_handler_t::replace), 3);
}

}  // namespace

bool WouldChange(const Json& live, const Json& wanted) {
  return !Differences(live, wanted, 1).empty();
}

std::vector<std::string> Differences(const Json& live, const Json& wanted, size_t limit) {
  Comparison comparison(limit);
  comparison.Compare(live, wanted, "", false, false);
  return comparison.Take();
}

std::string Fingerprint(const Json& object) { return absl::StrFormat("%016x", HashOf(object)); }

bool SameQuantity(std::string_view a, std::string_view b) {
  const auto left = Quantity(a);
  const auto right = Quantity(b);
  // What the API server stores is exact to a billionth.
  return left && right && std::fabs(*left - *right) <= 1e-9L * std::max(1.0L, std::fabs(*left));
}

}  // namespace levada::kube
