#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expr/activation.h"
#include "core/expr/value.h"

// Every function of the language, in tables: name, types, code, and the line that the reference
// shows. A new function is one row (and its code) in one of the functions_*.cc.
//
// Thread-safety: constant data.
namespace levada::expr {

// None of the arguments is an error.
using Native = Value (*)(const Value* args, size_t count, Activation& activation);

// What is wrong with an argument that stands in the expression itself ("" if nothing): told when it
// is compiled. `parameter` counts from 0, the receiver included.
using CheckConstant = std::string (*)(size_t parameter, Value argument);

struct Function {
  enum class Style : uint8_t {
    kGlobal,  // size(x), math.abs(x)
    kMember,  // text.trim()
    kBoth,    // size(x) and x.size()
  };
  static constexpr size_t kMostParameters = 4;

  std::string_view name;
  Style style = Style::kGlobal;
  Type result;
  std::array<Kind, kMostParameters> parameters = {};  // the receiver is the first; kNone: anything
  uint8_t count = 0;
  Native native = nullptr;
  std::string_view help;
  bool variadic = false;  // `count` or more, all like the last one
  CheckConstant check = nullptr;
};

std::span<const Function> ConversionFunctions();
std::span<const Function> StringFunctions();
std::span<const Function> RegexFunctions();
std::span<const Function> ListFunctions();
std::span<const Function> TimeFunctions();
std::span<const Function> CalendarFunctions();
std::span<const Function> MathFunctions();
std::span<const Function> NetworkFunctions();
std::span<const Function> UrlFunctions();
std::span<const Function> GeoFunctions();
std::span<const Function> HashFunctions();
std::span<const Function> OptionalFunctions();

// All tables in the order in which they are documented.
std::vector<std::span<const Function>> AllFunctions();
// The overloads of a name, as a call with or without a receiver; empty where there are none.
std::span<const Function* const> FindFunctions(std::string_view name, bool receiver);
// The known name that is most like `name`, or "".
std::string NearestFunction(std::string_view name);
bool IsFunctionName(std::string_view name);

// Calls the overload of `overloads` that takes `args`. `widen`: an int where a double is wanted,
// and a whole double where an int is wanted, are taken too.
Value CallFunction(std::span<const Function* const> overloads, Value* args, size_t count,
                   bool widen, Activation& activation);

// ----- In format.cc -----
Value FormatText(const Value* args, size_t count, Activation& activation);

}  // namespace levada::expr
