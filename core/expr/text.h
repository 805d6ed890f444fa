#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/utf8.h"

// Text by code points. All of it is UTF-8 already, but for what AppendAsUtf8 takes.
namespace levada::expr {

// Appends `bytes` as text: each byte that is not UTF-8 becomes U+FFFD.
inline void AppendAsUtf8(std::string_view bytes, std::string* out) {
  const char* const end = bytes.data() + bytes.size();
  for (const char* p = bytes.data(); p < end;) {
    const int length = base::Utf8SequenceLength(p, end);
    if (length > 0) {
      out->append(p, static_cast<size_t>(length));
    } else {
      out->append("\uFFFD");
    }
    p += std::max(1, length);
  }
}

inline size_t CountCodePoints(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xC0) != 0x80;
  return count;
}

// Offset of code point `index`; text.size() for the one behind the last; npos beyond that.
inline size_t OffsetOf(std::string_view text, int64_t index) {
  if (index < 0) return std::string_view::npos;
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) continue;
    if (index-- == 0) return at;
  }
  return index == 0 ? at : std::string_view::npos;
}

// Length of the sequence that starts at `at`.
inline size_t SequenceAt(std::string_view text, size_t at) {
  size_t end = at + 1;
  while (end < text.size() && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

}  // namespace levada::expr
