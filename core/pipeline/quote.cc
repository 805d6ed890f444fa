#include "core/pipeline/quote.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_format.h"
#include "core/base/utf8.h"
#include "core/json/write.h"

namespace levada::pipeline {
namespace {

uint32_t Decode(const char* p, int length) {
  const auto byte = [p](int i) { return static_cast<unsigned char>(p[i]); };
  if (length == 1) return byte(0);
  uint32_t code = byte(0) & (0x7F >> length);
  for (int i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3F);
  return code;
}

// Characters beyond ASCII that YAML does not take, or takes for a line break.
bool MustEscape(uint32_t code) {
  return (code >= 0x7F && code <= 0x9F) || code == 0x2028 || code == 0x2029 || code == 0xFEFF ||
         code == 0xFFFE || code == 0xFFFF;
}

}  // namespace

bool HasEscapes(std::string_view text) {
  for (const char* p = text.data(); p < text.data() + text.size();) {
    const int length = std::max(1, base::Utf8SequenceLength(p, text.data() + text.size()));
    if (MustEscape(Decode(p, length))) return true;
    p += length;
  }
  return false;
}

// A string in JSON is a double-quoted scalar in YAML, but for the characters above.
void AppendQuoted(std::string_view text, std::string* out) {
  std::string quoted;
  json::AppendString(text, &quoted);
  const char* const end = quoted.data() + quoted.size();
  for (const char* p = quoted.data(); p < end;) {
    const int length = std::max(1, base::Utf8SequenceLength(p, end));
    const uint32_t code = Decode(p, length);
    if (MustEscape(code)) {
      *out += absl::StrFormat("\\u%04x", code);
    } else {
      out->append(p, length);
    }
    p += length;
  }
}

}  // namespace levada::pipeline
