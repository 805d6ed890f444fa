#pragma once

#include <string>

namespace levada::expr {

// The shortest text that reads back to the same double, as CEL's string() has it: 0.1, 100000,
// 1e+21, NaN, +Inf, -Inf.
void AppendDoubleText(double value, std::string* out);

}  // namespace levada::expr
