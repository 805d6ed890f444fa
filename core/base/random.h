#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <random>

// Random numbers for jitter, sampling and simulations: fast, and the same everywhere for the same
// seed. Not for keys or tokens.
//
// Not thread-safe: one Random a thread.
namespace levada::base {

// One step of splitmix64: spreads a seed, or one small number, over all bits.
inline uint64_t SplitMix64(uint64_t* state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}

// A different seed at each call.
inline uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 ^ device();
}

// xoshiro256++; a UniformRandomBitGenerator, so that the standard distributions and std::shuffle
// take it (their results differ between standard libraries; Below and Unit do not).
class Random {
 public:
  using result_type = uint64_t;

  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = SplitMix64(&seed);
  }

  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return std::numeric_limits<uint64_t>::max(); }

  uint64_t operator()() {
    const uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, limit); 0 for limit 0.
  uint64_t Below(uint64_t limit) {
    if (limit == 0) return 0;
    // Numbers from the incomplete last multiple of `limit` are drawn again.
    const uint64_t refused = (0 - limit) % limit;
    uint64_t number = (*this)();
    while (number < refused) number = (*this)();
    return number % limit;
  }

  // Uniform in [0, 1).
  double Unit() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }

 private:
  uint64_t state_[4];
};

}  // namespace levada::base
