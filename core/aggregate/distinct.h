#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "core/aggregate/table.h"
#include "core/expr/value.h"

// How many different values there were: exactly up to kExact of them, beyond that by HyperLogLog
// with 2048 registers, whose standard error is 2.3 %, and Ertl's estimator, which has no bias
// where the two meet ("New cardinality estimation algorithms for HyperLogLog sketches", 2017).
//
//   state := chunk, u32 count, u32 form            form 0: the hashes; 1: registers
//   chunk := u64 hash × count, ascending           form 0
//   chunk := u8 register × 2048, u16 × 56          form 1; how many registers have each value
//
// A sketch is known by where in its table's blob it stands.
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

struct DistinctState {
  Chunk chunk;
  uint32_t count = 0;
  uint32_t form = 0;
};
static_assert(sizeof(DistinctState) == 16);

class Distinct {
 public:
  static constexpr uint32_t kExact = 256;
  static constexpr int kPrecision = 11;
  static constexpr uint32_t kRegisters = 1u << kPrecision;
  static constexpr int kHighest = 64 - kPrecision + 1;  // of a register
  static constexpr uint32_t kTallies = 56;              // kHighest + 1, rounded up
  static constexpr uint32_t kMaxBytes = kRegisters + 2 * kTallies;

  // Equal values have equal hashes, numbers of different kinds too.
  static uint64_t HashOf(const expr::Value& value);

  static void Add(Table& table, size_t at, uint64_t hash);
  // `from` may be another table or the same.
  static void Merge(Table& table, size_t at, Table& from, size_t from_at);
  static int64_t Estimate(Table& table, size_t at);
  static absl::Status Check(Table& table, size_t at);

 private:
  static void AddToRegisters(char* chunk, uint64_t hash);
  static void Raise(char* chunk, uint32_t index, uint8_t value);
  static void MakeRegisters(Table& table, size_t at);
};

}  // namespace levada::aggregate
