#pragma once

#include <array>
#include <cstdint>

#include "core/base/random.h"

// Random numbers that are the same on every platform: whole-number arithmetic only, none of
// std::*_distribution (whose results are the library's own choice) and nothing of libm (whose last
// bit is).
//
//   Random random(Hash(seed, day, customer));
//   uint32_t die = 1 + random.Below(6);
//
// Seeding is as cheap as a draw, so that each thing simulated can have a generator of its own and
// be computed again without what came before it. Thread-safety: none needed between generators.
namespace levada::generate {

// One number from several, their order mattering.
inline uint64_t Hash(uint64_t a, uint64_t b, uint64_t c = 0, uint64_t d = 0) {
  const auto spread = [](uint64_t x) { return base::SplitMix64(&x); };
  return spread(spread(spread(spread(a) ^ b) ^ c) ^ d);
}

// SplitMix64 (Steele, Lea, Flood 2014). base::Random is the better generator for one long stream;
// this one is for very many short ones.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() { return base::SplitMix64(&state_); }
  uint32_t Next32() { return static_cast<uint32_t>(Next() >> 32); }

  // 0 ... bound-1; bound > 0. The bias is below bound / 2^32.
  uint32_t Below(uint32_t bound) {
    return static_cast<uint32_t>((uint64_t{Next32()} * bound) >> 32);
  }

  // A normal deviate of mean 0 and standard deviation kNormalOne: the sum of twelve uniform 16-bit
  // numbers, each with variance 2^32 / 12. Ends at six standard deviations.
  static constexpr int64_t kNormalOne = 1 << 16;
  int64_t Normal() {
    int64_t sum = 0;
    for (int word = 0; word < 3; ++word) {
      const uint64_t bits = Next();
      sum += static_cast<int64_t>((bits & 0xffff) + ((bits >> 16) & 0xffff) +
                                  ((bits >> 32) & 0xffff) + (bits >> 48));
    }
    return sum - 6 * 0xffff;
  }

 private:
  uint64_t state_;
};

// Poisson counts for the means 0 ... 4 in kLevels steps: level l stands for (l + 1/2) / 256. Counts
// end at kMax (the chance of more is below 10^-8).
class PoissonTable {
 public:
  static constexpr uint32_t kLevels = 1024;
  static constexpr uint32_t kMax = 20;

  static const PoissonTable& Get() {
    static const PoissonTable table;
    return table;
  }

  uint32_t Draw(uint32_t level, Random* random) const {
    const uint32_t u = random->Next32();
    uint32_t count = 0;
    while (count < kMax && u >= cumulative_[level][count]) ++count;
    return count;
  }

 private:
  // Fixed point with 32 bits behind the point; the rounding of all steps together stays below
  // 10^-6.
  PoissonTable() {
    uint64_t none = 4286586875;             // e^(-1/512)
    constexpr uint64_t kStep = 4278222805;  // e^(-1/256)
    for (uint32_t level = 0; level < kLevels; ++level) {
      uint64_t probability = none;
      uint64_t sum = 0;
      for (uint32_t count = 0; count < kMax; ++count) {
        if (count > 0) probability = probability * (2 * level + 1) / (512 * count);
        sum += probability;
        cumulative_[level][count] = static_cast<uint32_t>(sum < UINT32_MAX ? sum : UINT32_MAX);
      }
      none = (none * kStep) >> 32;
    }
  }

  std::array<std::array<uint32_t, kMax>, kLevels> cumulative_;
};

}  // namespace levada::generate
