#include "core/expr/functions.h"

#include <algorithm>
#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "core/expr/support.h"

namespace levada::expr {
namespace {

struct Overloads {
  std::vector<const Function*> global, member;
};

const absl::flat_hash_map<absl::string_view, Overloads>& Registry() {
  static const auto* const kRegistry = [] {
    auto* registry = new absl::flat_hash_map<absl::string_view, Overloads>();
    for (const auto& table : AllFunctions()) {
      for (const Function& function : table) {
        Overloads& overloads = (*registry)[base::AbslView(function.name)];
        if (function.style != Function::Style::kMember) overloads.global.push_back(&function);
        if (function.style != Function::Style::kGlobal) overloads.member.push_back(&function);
      }
    }
    return registry;
  }();
  return *kRegistry;
}

bool TakesCount(const Function& function, size_t count) {
  return function.variadic ? count >= function.count : count == function.count;
}

Kind Parameter(const Function& function, size_t i) {
  return function.parameters[std::min<size_t>(i, function.count - 1)];
}

bool Takes(const Function& function, const Value* args, size_t count) {
  if (!TakesCount(function, count)) return false;
  for (size_t i = 0; i < count; ++i) {
    const Kind wanted = Parameter(function, i);
    if (wanted != Kind::kNone && wanted != args[i].kind()) return false;
  }
  return true;
}

size_t TextBytes(Value value) {
  if (value.is(Kind::kString) || value.is(Kind::kBytes)) return value.text().size();
  const bool container = value.is(Kind::kList) || value.is(Kind::kMap);
  return container && value.store() == Value::Store::kJson ? value.json().size() : 0;
}

// `value` as a number of kind `wanted`, where that loses nothing.
bool Widen(Kind wanted, Value* value) {
  if (wanted == Kind::kNone || wanted == value->kind()) return true;
  if (wanted == Kind::kDouble && value->is(Kind::kInt)) {
    *value = Value::Double(static_cast<double>(value->integer()));
    return true;
  }
  if (wanted == Kind::kInt && value->is(Kind::kDouble)) {
    const double real = value->real();
    if (std::trunc(real) != real || std::fabs(real) > 9007199254740992.0) return false;
    *value = Value::Int(static_cast<int64_t>(real));
    return true;
  }
  return false;
}

}  // namespace

std::vector<std::span<const Function>> AllFunctions() {
  return {ConversionFunctions(), StringFunctions(),   RegexFunctions(), ListFunctions(),
          TimeFunctions(),       CalendarFunctions(), MathFunctions(),  NetworkFunctions(),
          UrlFunctions(),        GeoFunctions(),      HashFunctions(),  OptionalFunctions()};
}

std::span<const Function* const> FindFunctions(std::string_view name, bool receiver) {
  const auto it = Registry().find(base::AbslView(name));
  if (it == Registry().end()) return {};
  return receiver ? it->second.member : it->second.global;
}

bool IsFunctionName(std::string_view name) { return Registry().contains(base::AbslView(name)); }

std::string NearestFunction(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& [known, overloads] : Registry()) names.push_back(base::View(known));
  std::sort(names.begin(), names.end());
  return std::string(base::Nearest(name, std::span<const std::string_view>(names)));
}

Value CallFunction(std::span<const Function* const> overloads, Value* args, size_t count,
                   bool widen, Activation& activation) {
  // A text or JSON that is gone over again and again costs by its length.
  size_t bytes = 0;
  for (size_t i = 0; i < count; ++i) bytes += TextBytes(args[i]);
  if (!activation.TakeStepsForBytes(bytes)) return Exhausted();
  for (const Function* function : overloads) {
    if (Takes(*function, args, count)) return function->native(args, count, activation);
  }
  if (widen && count <= Function::kMostParameters) {
    for (const Function* function : overloads) {
      if (!TakesCount(*function, count)) continue;
      Value widened[Function::kMostParameters];
      bool good = true;
      for (size_t i = 0; i < count && good; ++i) {
        widened[i] = args[i];
        good = Widen(Parameter(*function, i), &widened[i]);
      }
      if (good) return function->native(widened, count, activation);
    }
  }
  return NoOverload(overloads.empty() ? "?" : overloads[0]->name, args, count, activation);
}

}  // namespace levada::expr
