#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Searches over the bytes of a document, 16 at a time where the processor can. Internal to
// core/json. No function reads outside [begin, end): near the end the last 16 bytes of the
// document are loaded again and the part already seen is shifted away.
namespace levada::json::internal {

static_assert(std::endian::native == std::endian::little, "words are loaded as little-endian");

#if defined(__SSE2__)

// First byte of [p, end) for which `matches(vector)` is set, or end.
template <typename Matches, typename MatchesByte>
inline const char* FindFirst(const char* begin, const char* p, const char* end, Matches matches,
                             MatchesByte matches_byte) {
  while (end - p >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const uint32_t mask = static_cast<uint32_t>(_mm_movemask_epi8(matches(bytes)));
    if (mask != 0) return p + std::countr_zero(mask);
    p += 16;
  }
  if (end - begin >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16));
    const uint32_t mask =
        static_cast<uint32_t>(_mm_movemask_epi8(matches(bytes))) >> (16 - (end - p));
    return mask != 0 ? p + std::countr_zero(mask) : end;
  }
  while (p < end && !matches_byte(*p)) ++p;
  return p;
}

inline __m128i Equal(__m128i bytes, char wanted) {
  return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted));
}

// Quotes, backslashes, control characters and bytes of text that is not ASCII.
inline __m128i StringStop(__m128i bytes) {
  // As signed bytes, everything from 0x80 on is negative, so one comparison finds both ends.
  const __m128i outside = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
  return _mm_or_si128(outside, _mm_or_si128(Equal(bytes, '"'), Equal(bytes, '\\')));
}

#else

template <typename MatchesByte>
inline const char* FindFirst(const char*, const char* p, const char* end, MatchesByte matches) {
  while (p < end && !matches(*p)) ++p;
  return p;
}

#endif

// First byte that a string does not simply contain: a quote, a backslash, a control character or
// the lead of a UTF-8 sequence.
inline const char* FindStringStop(const char* begin, const char* p, const char* end) {
  const auto stops = [](char c) {
    return c == '"' || c == '\\' || static_cast<signed char>(c) < 0x20;
  };
#if defined(__SSE2__)
  return FindFirst(begin, p, end, StringStop, stops);
#else
  return FindFirst(begin, p, end, stops);
#endif
}

// First quote or backslash: the end of a string that is known to be valid.
inline const char* FindQuoteOrBackslash(const char* begin, const char* p, const char* end) {
  const auto stops = [](char c) { return c == '"' || c == '\\'; };
#if defined(__SSE2__)
  const auto vector_stops = [](__m128i bytes) {
    return _mm_or_si128(Equal(bytes, '"'), Equal(bytes, '\\'));
  };
  return FindFirst(begin, p, end, vector_stops, stops);
#else
  return FindFirst(begin, p, end, stops);
#endif
}

// First bracket of either kind or quote: what matters when a valid array or object is skipped.
inline const char* FindBracketOrQuote(const char* begin, const char* p, const char* end) {
  // '[' and '{', ']' and '}' differ only in bit 0x20, which the quote has set.
  const auto stops = [](char c) {
    const char folded = static_cast<char>(c | 0x20);
    return folded == '{' || folded == '}' || c == '"';
  };
#if defined(__SSE2__)
  const auto vector_stops = [](__m128i bytes) {
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    return _mm_or_si128(Equal(bytes, '"'), _mm_or_si128(Equal(folded, '{'), Equal(folded, '}')));
  };
  return FindFirst(begin, p, end, vector_stops, stops);
#else
  return FindFirst(begin, p, end, stops);
#endif
}

inline uint64_t Load64(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// FindStringStop from the front of a document to its end, with the stops of the next 64 bytes
// worked out at once: where the next string ends then does not have to wait for a load from where
// the last one ended, which is what a scan of short strings spends its time on.
#if defined(__SSE2__)

class StringStops {
 public:
  StringStops(const char* begin, const char* end) : begin_(begin), end_(end), window_(begin) {
    Look();
  }

  // The first stop in [p, end), or end. From call to call `p` never goes back.
  const char* Next(const char* p) {
    for (;;) {
      const size_t at = static_cast<size_t>(p - window_);
      const uint64_t ahead = at < 64 ? stops_ >> at : 0;
      if (ahead != 0) return p + std::countr_zero(ahead);
      if (end_ - window_ <= 64) return end_;
      window_ += 64;
      if (p < window_) p = window_;
      Look();
    }
  }

 private:
  void Look() {
    const auto left = end_ - window_;
    if (left >= 64) {
      stops_ = Stops(window_);
    } else if (end_ - begin_ >= 64) {
      stops_ = Stops(end_ - 64) >> (64 - left);
    } else {
      char padded[64] = {};
      if (left > 0) std::memcpy(padded, window_, static_cast<size_t>(left));
      stops_ = Stops(padded) & ((uint64_t{1} << left) - 1);
    }
  }

  // One bit for each of 64 bytes.
  static uint64_t Stops(const char* p) {
    uint64_t stops = 0;
    for (int i = 0; i < 64; i += 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i));
      stops |= static_cast<uint64_t>(_mm_movemask_epi8(StringStop(bytes))) << i;
    }
    return stops;
  }

  const char* const begin_;
  const char* const end_;
  const char* window_;
  uint64_t stops_;
};

#else

class StringStops {
 public:
  StringStops(const char*, const char* end) : end_(end) {}

  const char* Next(const char* p) { return FindStringStop(p, p, end_); }

 private:
  const char* const end_;
};

#endif

// First byte of [p, end) that is not a decimal digit.
inline const char* SkipDigits(const char* p, const char* end) {
  while (end - p >= 8) {
    // A digit is 3x with x <= 9. The high nibble is compared; adding 6 to the low one reaches bit
    // 4 for a..f and never leaves the byte.
    const uint64_t word = Load64(p);
    const uint64_t high = (word & 0xF0F0F0F0F0F0F0F0) ^ 0x3030303030303030;
    const uint64_t above = ((word & 0x0F0F0F0F0F0F0F0F) + 0x0606060606060606) & 0x1010101010101010;
    const uint64_t other = high | above;
    if (other != 0) return p + std::countr_zero(other) / 8;
    p += 8;
  }
  while (p < end && static_cast<uint8_t>(*p - '0') <= 9) ++p;
  return p;
}

inline bool IsSpace(char c) {
  return static_cast<uint8_t>(c) <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t');
}

}  // namespace levada::json::internal
