#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

// A 64-bit hash of bytes that never changes: the same on every machine and in every version, so
// that it may be stored and compared between processes. Fast; not for use against an adversary
// who picks the keys.
//
//   const uint64_t id = HashBytes(idempotency_key);
//
// Thread-safety: pure functions.
namespace levada::base {

namespace internal {

// The 128-bit product, folded: every input bit reaches every output bit.
inline uint64_t Fold(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace internal

inline uint64_t HashBytes(std::string_view bytes, uint64_t seed = 0) {
  static_assert(std::endian::native == std::endian::little);
  constexpr uint64_t kA = 0x9E3779B97F4A7C15;
  constexpr uint64_t kB = 0xD6E8FEB86659FD93;
  constexpr uint64_t kC = 0xA0761D6478BD642F;
  const auto load = [](const char* p, size_t size) {
    uint64_t word = 0;
    std::memcpy(&word, p, size);
    return word;
  };
  uint64_t hash = internal::Fold(seed ^ kA, kB ^ bytes.size());
  const char* p = bytes.data();
  size_t left = bytes.size();
  for (; left > 16; p += 16, left -= 16) {
    hash = internal::Fold(load(p, 8) ^ hash ^ kB, load(p + 8, 8) ^ kC);
  }
  uint64_t first = 0;
  uint64_t second = 0;
  if (left > 8) {
    first = load(p, 8);
    second = load(p + 8, left - 8);
  } else if (left > 0) {
    first = load(p, left);
  }
  hash = internal::Fold(first ^ hash ^ kB, second ^ kC);
  return internal::Fold(hash ^ kA, kC);
}

// One hash from two, order mattering.
inline uint64_t HashCombine(uint64_t a, uint64_t b) {
  return internal::Fold(a ^ 0x9E3779B97F4A7C15, b ^ 0xD6E8FEB86659FD93);
}

}  // namespace levada::base
