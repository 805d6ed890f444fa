#include "core/json/write.h"

#include <charconv>
#include <cmath>

#include "core/base/utf8.h"
#include "core/json/bytes.h"

namespace levada::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void AppendEscaped(char c, std::string* out) {
  switch (c) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\b':
      out->append("\\b");
      return;
    case '\f':
      out->append("\\f");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\r':
      out->append("\\r");
      return;
    case '\t':
      out->append("\\t");
      return;
    default: {
      constexpr char kHex[] = "0123456789abcdef";
      const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4 & 0xF], kHex[c & 0xF]};
      out->append(escape, sizeof escape);
      return;
    }
  }
}

template <typename Number>
void AppendNumber(Number value, std::string* out) {
  char text[32];
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  out->append(text, static_cast<size_t>(end.ptr - text));
}

}  // namespace

void AppendString(std::string_view text, std::string* out) {
  out->push_back('"');
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const char* copied = begin;  // everything before it is in `out`
  const char* p = begin;
  while ((p = internal::FindStringStop(begin, p, end)) < end) {
    int length = 1;
    const bool ascii = static_cast<signed char>(*p) >= 0;
    if (!ascii && (length = base::Utf8SequenceLength(p, end)) > 0) {
      p += length;
      continue;
    }
    out->append(copied, static_cast<size_t>(p - copied));
    if (ascii) {
      AppendEscaped(*p, out);
    } else {
      out->append(kReplacement);
    }
    copied = ++p;
  }
  out->append(copied, static_cast<size_t>(end - copied));
  out->push_back('"');
}

void AppendDouble(double value, std::string* out) {
  if (!std::isfinite(value)) {
    out->append("null");
    return;
  }
  // to_chars prefers 1e+05 to 100000; whole numbers that doubles count exactly stay readable.
  constexpr double kExact = 9007199254740992;  // 2^53
  if (value == std::trunc(value) && std::abs(value) <= kExact) {
    if (value == 0 && std::signbit(value)) {
      out->append("-0.0");
    } else {
      AppendNumber(static_cast<int64_t>(value), out);
    }
    return;
  }
  AppendNumber(value, out);
}

void AppendInt(int64_t value, std::string* out) { AppendNumber(value, out); }

void AppendUint(uint64_t value, std::string* out) { AppendNumber(value, out); }

}  // namespace levada::json
