#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// The keys of a changelog's records:
//
//   key = version:u8 = 1, step:u32, bucket:i64 (offset by 2^63), key bytes
//
// with big-endian numbers, so that keys sort by step, bucket and key.
namespace levada::scoring {

struct LogKey {
  uint32_t step = 0;
  int64_t bucket = 0;
  std::string_view key;
};

inline constexpr char kLogVersion = 1;
inline constexpr size_t kLogKeyHead = 1 + 4 + 8;
// The step that is none: the clocks. Its buckets that are negative are the runtime's.
inline constexpr uint32_t kClocks = 0;

inline void PutBigEndian(uint64_t number, int bytes, std::string* out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(number >> shift));
  }
}

inline uint64_t BigEndian(std::string_view bytes) {
  uint64_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

inline void WriteLogKey(const LogKey& key, std::string* out) {
  out->assign(1, kLogVersion);
  PutBigEndian(key.step, 4, out);
  PutBigEndian(static_cast<uint64_t>(key.bucket) ^ uint64_t{1} << 63, 8, out);
  out->append(key.key);
}

// False: no key of this version. Views `bytes`.
inline bool ReadLogKey(std::string_view bytes, LogKey* key) {
  if (bytes.size() < kLogKeyHead || bytes[0] != kLogVersion) return false;
  key->step = static_cast<uint32_t>(BigEndian(bytes.substr(1, 4)));
  key->bucket = static_cast<int64_t>(BigEndian(bytes.substr(5, 8)) ^ uint64_t{1} << 63);
  key->key = bytes.substr(kLogKeyHead);
  return true;
}

}  // namespace levada::scoring
