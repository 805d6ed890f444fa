#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// A function call as it is written, for places whose functions are not the language's own.
//
//   ParseCall("quantile(amount * rate, 0.95)")  →  {"quantile", {"amount * rate", "0.95"}}
//   ParseCall("count()")                        →  {"count", {}}
//
// Thread-safety: pure function.
namespace levada::expr {

struct Call {
  std::string name;
  std::vector<std::string> arguments;  // sources of expressions, without white space around them
};

// InvalidArgument with "line:column: message" lines where `source` is not an expression, or is one
// but not a single call of a plain name (`a.f(x)`, `f(x) + 1`).
absl::StatusOr<Call> ParseCall(std::string_view source);

}  // namespace levada::expr
