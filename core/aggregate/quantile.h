#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "core/aggregate/table.h"

// How values are spread, to answer for any quantile: the counts of logarithmic bins, as DDSketch
// has them (Masson et al. 2019), at most kMaxBins. Where there are more, neighbours are put
// together all over (as in UDDSketch, Epicoco et al. 2020).
//
// A quantile is within kError, 1 %, of a value that has that rank. Each time that bins are put
// together doubles it: 512 bins of 1 % reach over more than four orders of magnitude if none is
// empty, of 2 % over nearly nine, of 4 % over seventeen.
//
//   state := chunk, u32 bins, u32 level, u64 count
//   chunk := (i32 code, u32 count) × bins, codes ascending, no count zero
//   code  := 0 for zero; ±(kBase + n) for (γ^(n-1), γ^n] and its negative; γ =
//   ((1+e)/(1-e))^(2^level)
//
// A sketch is known by where in its table's blob it stands.
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

struct QuantileState {
  Chunk chunk;
  uint32_t bins = 0;
  uint32_t level = 0;
  uint64_t count = 0;
};
static_assert(sizeof(QuantileState) == 24);

class Quantile {
 public:
  static constexpr double kError = 0.01;
  static constexpr uint32_t kMaxBins = 512;
  static constexpr uint32_t kMaxLevel = 20;
  static constexpr int32_t kBase = 1 << 20;
  // One bin may be too many until they are put together.
  static constexpr uint32_t kMaxBytes = 8 * (kMaxBins + 1);

  // `value` is finite.
  static void Add(Table& table, size_t at, double value);
  static void Merge(Table& table, size_t at, Table& from, size_t from_at);
  // Takes the values of `from` away, which were merged before. False where that cannot be done to
  // the sketch that is there: then it is to be made anew.
  static bool Remove(Table& table, size_t at, Table& from, size_t from_at);
  // The value of rank floor(p·(n−1)) of n; there is at least one.
  static double Value(Table& table, size_t at, double p);
  static absl::Status Check(Table& table, size_t at);
};

}  // namespace levada::aggregate
