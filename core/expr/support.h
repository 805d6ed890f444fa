#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "core/base/strings.h"
#include "core/expr/activation.h"
#include "core/expr/value.h"

namespace re2 {
class RE2;
}

// What the operators and functions share: making values in the arena, within the bounds of one
// evaluation.
namespace levada::expr {

template <typename... Parts>
Value Fail(Activation& activation, const Parts&... parts) {
  return Value::Error(activation.arena().Copy(base::StrCat(parts...)));
}

// The evaluation has used up its steps or its memory.
inline Value Exhausted() {
  return Value::Error("the evaluation takes too many steps or too much memory");
}

// Room for `count` objects, null when the evaluation has taken too much already.
template <typename T>
T* NewArray(Activation& activation, size_t count) {
  constexpr size_t kMost = Activation::kMaxBytes / sizeof(T);
  if (count > kMost) activation.TakeBytes(Activation::kMaxBytes + 1);
  if (count > kMost || !activation.TakeBytes(static_cast<int64_t>(count * sizeof(T)))) {
    return nullptr;
  }
  return activation.arena().Array<T>(count);
}

// A copy of `text` as a string.
inline Value NewString(Activation& activation, std::string_view text) {
  if (!activation.TakeBytes(static_cast<int64_t>(text.size()))) return Exhausted();
  return Value::String(activation.arena().Copy(text));
}

// Lists and maps as arrays, whatever they were; empty when that takes too much.
std::span<const Value> Items(Value list, Activation& activation);
std::span<const MapEntry> Entries(Value map, Activation& activation);

Value Concatenate(Kind kind, std::string_view a, std::string_view b, Activation& activation);
Value NoOverload(std::string_view function, const Value* args, size_t count,
                 Activation& activation);

// Patterns that are computed while evaluating, compiled once each. At most kMost are kept.
class Regexes {
 public:
  static constexpr size_t kMost = 64;
  Regexes();
  ~Regexes();
  // Null for a pattern that RE2 does not take.
  const re2::RE2* Get(std::string_view pattern);

 private:
  absl::flat_hash_map<std::string, std::unique_ptr<re2::RE2>> compiled_;
};

std::unique_ptr<re2::RE2> CompileRegex(std::string_view pattern);
bool RegexMatches(const re2::RE2& regex, std::string_view text);

}  // namespace levada::expr
