#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "core/json/bytes.h"
#include "core/json/scan.h"

// The hash table of a FieldSet, inline for the scanner. Internal to core/json.
namespace levada::json {

namespace internal {

struct KeyBits {
  uint64_t head;
  uint64_t tail;
};

inline uint64_t Hash(KeyBits bits, size_t size) {
  return (bits.head ^ std::rotl(bits.tail, 27) ^ size) * 0x9E3779B97F4A7C15;
}

// 16 bytes from kLowBytes + 16 - n are n times FF and then zeros.
inline constexpr struct LowBytes {
  constexpr LowBytes() : bytes() {
    for (int i = 0; i < 16; ++i) bytes[i] = '\xFF';
  }
  char bytes[32];
} kLowBytes;

// Names of up to 16 bytes are told apart by these bits and their size alone.
inline KeyBits BitsOf(const char* name, size_t size, const char* readable_end) {
  if (size > 16) return {Load64(name), Load64(name + size - 8)};
  if (readable_end - name >= 16) {
    const char* const keep = kLowBytes.bytes + 16 - size;
    return {Load64(name) & Load64(keep), Load64(name + 8) & Load64(keep + 8)};
  }
  char padded[16] = {};
  if (size > 0) std::memcpy(padded, name, size);
  return {Load64(padded), Load64(padded + 8)};
}

}  // namespace internal

inline int FieldSet::Lookup(std::string_view name, const char* readable_end) const {
  const size_t size = name.size();
  // Most fields of an event are not wanted, and most of those are told by size and first letter.
  if (size > 0 && (initials_[size & 63] >> (name[0] & 31) & 1) == 0) return -1;
  const internal::KeyBits bits = internal::BitsOf(name.data(), size, readable_end);
  size_t at = internal::Hash(bits, size) >> shift_;
  for (;; at = (at + 1) & mask_) {
    const Entry& entry = table_[at];
    if (entry.slot < 0) return -1;
    if (entry.head != bits.head || entry.tail != bits.tail || entry.size != size) continue;
    if (size <= 16 || names_[entry.slot] == name) return entry.slot;
  }
}

}  // namespace levada::json
