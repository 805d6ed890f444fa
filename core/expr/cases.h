#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Files of CEL test cases, evaluated in strict mode.
//
// A file is a JSON array of
//   {"name": "group/case", "expr": "1 + x", "bindings": {"x": {"int": "1"}},
//    "container": "com.example", "value": {"int": "2"}}     or   "error": true
// Values are typed: {"bool": true}, {"int": "1"}, {"uint": "1"}, {"double": 1.5} ("NaN",
// "Infinity", "-Infinity"), {"string": …}, {"bytes": base64}, {"null": null}, {"list": […]},
// {"map": [[key, value], …]}, {"type": name}, {"timestamp": RFC 3339}, {"duration": "3.5s"}.
//
// Thread-safety: pure functions.
namespace levada::expr {

struct CaseFailure {
  std::string name;
  std::string message;  // what came out, and what was expected
};

struct CaseReport {
  int passed = 0;
  std::vector<CaseFailure> failures;
  // Cases that do not pass and need not: each with the reason in place of what came out.
  std::vector<CaseFailure> left_out;
};

// Runs the cases of `json` for which `wanted` (if any) returns true.
absl::StatusOr<CaseReport> RunCases(
    std::string_view json, const std::function<bool(std::string_view name)>& wanted = nullptr);

}  // namespace levada::expr
