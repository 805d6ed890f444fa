#pragma once

#include <cstdint>
#include <string_view>

// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
//
// Thread-safety: pure functions.
namespace levada::base {

inline constexpr int kUtf8Bad = 0;
inline constexpr int kUtf8Cut = -1;

// Length (1..4) of the sequence that starts at `p` (p < end); kUtf8Bad where it is ill-formed,
// kUtf8Cut where the bytes end in the middle of a sequence that is well-formed so far.
inline int Utf8SequenceLength(const char* p, const char* end) {
  const auto byte = [p](int i) { return static_cast<uint8_t>(p[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return kUtf8Bad;
  // The second byte's range depends on the lead; the others are always 80..BF.
  const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  const int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const auto left = end - p;
  if (left < 2) return kUtf8Cut;
  if (byte(1) < low || byte(1) > high) return kUtf8Bad;
  for (int i = 2; i < length; ++i) {
    if (left <= i) return kUtf8Cut;
    if ((byte(i) & 0xC0) != 0x80) return kUtf8Bad;
  }
  return length;
}

// Writes `code_point` (a Unicode scalar value) to `out` (up to 4 bytes); returns how many.
inline int EncodeUtf8(uint32_t code_point, char* out) {
  const auto put = [out](int i, uint32_t byte) { out[i] = static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(0, code_point);
    return 1;
  }
  if (code_point < 0x800) {
    put(0, 0xC0 | code_point >> 6);
    put(1, 0x80 | (code_point & 0x3F));
    return 2;
  }
  if (code_point < 0x10000) {
    put(0, 0xE0 | code_point >> 12);
    put(1, 0x80 | (code_point >> 6 & 0x3F));
    put(2, 0x80 | (code_point & 0x3F));
    return 3;
  }
  put(0, 0xF0 | code_point >> 18);
  put(1, 0x80 | (code_point >> 12 & 0x3F));
  put(2, 0x80 | (code_point >> 6 & 0x3F));
  put(3, 0x80 | (code_point & 0x3F));
  return 4;
}

inline bool IsUtf8(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p < end) {
    const int length = Utf8SequenceLength(p, end);
    if (length <= 0) return false;
    p += length;
  }
  return true;
}

}  // namespace levada::base
