#pragma once

#include <cstdint>
#include <string_view>

// Hashes that spread keys; none is safe against somebody who looks for collisions.
//
// Thread-safety: pure functions.
namespace levada::expr {

// XXH64 with seed 0.
uint64_t XxHash64(std::string_view bytes);
// MurmurHash2, 32 bits, with the seed of Kafka's Java client: a record with a key goes to partition
// (Murmur2(key) & 0x7fffffff) % partitions.
uint32_t Murmur2(std::string_view bytes);

}  // namespace levada::expr
