#include "core/expr/number_text.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace levada::expr {

void AppendDoubleText(double value, std::string* out) {
  if (std::isnan(value)) {
    out->append("NaN");
    return;
  }
  if (std::isinf(value)) {
    out->append(value > 0 ? "+Inf" : "-Inf");
    return;
  }
  const double size = std::fabs(value);
  if (size == 0 || (size >= 1e-4 && size < 1e21)) return AppendFixed(value, out);
  char buffer[64];
  const auto result =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  out->append(buffer, result.ptr);
}

// The library's own fixed format writes all digits of a large number, which nobody gave.
void AppendFixed(double value, std::string* out) {
  char buffer[64];
  const auto written =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(written.ptr - buffer));  // [-]d[.ddd]e±dd
  if (text[0] == '-') out->push_back('-');
  if (text[0] == '-') text.remove_prefix(1);
  const size_t e = text.find('e');
  int exponent = 0;
  const size_t digits_of_exponent = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + digits_of_exponent, text.data() + text.size(), exponent);
  std::string digits(text.substr(0, 1));
  if (e > 1) digits.append(text.substr(2, e - 2));
  if (exponent < 0) {
    out->append("0.").append(static_cast<size_t>(-exponent - 1), '0').append(digits);
    return;
  }
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    out->append(digits).append(whole - digits.size(), '0');
  } else {
    out->append(digits, 0, whole).append(".").append(digits, whole);
  }
}

}  // namespace levada::expr
