#pragma once

#include <string>

namespace levada::expr {

// CEL's string(double): the fewest digits that read back to it, with an exponent where the number
// is below 1e-4 or 1e21 and above; NaN, +Inf, -Inf.
void AppendDoubleText(double value, std::string* out);
// The same digits without an exponent, of a number that is finite.
void AppendFixed(double value, std::string* out);

}  // namespace levada::expr
