#include "core/aggregate/distinct.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/base/hash.h"

namespace levada::aggregate {
namespace {

using expr::Kind;

// Seeds by class of value: the same bytes as text and as a number are different values.
constexpr uint64_t kNumber = 1;
constexpr uint64_t kOther = 16;

uint64_t HashWord(uint64_t word, uint64_t seed) {
  return base::HashBytes({reinterpret_cast<const char*>(&word), sizeof(word)}, seed);
}

// Whole numbers by their value, so that 1, 1u and 1.0 are one.
uint64_t HashNumber(double number) {
  constexpr double kEnd = 9223372036854775808.0;  // 2^63
  if (number >= -kEnd && number < kEnd && number == std::floor(number)) {
    return HashWord(static_cast<uint64_t>(static_cast<int64_t>(number)), kNumber);
  }
  return HashWord(std::bit_cast<uint64_t>(number), kNumber + 1);
}

// The sums σ and τ of Ertl's estimator.
double Sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double power = 1;
  double sum = x;
  double before = 0;
  do {
    x *= x;
    before = sum;
    sum += x * power;
    power += power;
  } while (sum != before);
  return sum;
}

double Tau(double x) {
  if (x == 0 || x == 1) return 0;
  double power = 1;
  double sum = 1 - x;
  double before = 0;
  do {
    x = std::sqrt(x);
    before = sum;
    power *= 0.5;
    sum -= (1 - x) * (1 - x) * power;
  } while (sum != before);
  return sum / 3;
}

const char* Tally(const char* chunk, int value) { return chunk + Distinct::kRegisters + 2 * value; }

}  // namespace

uint64_t Distinct::HashOf(const expr::Value& value) {
  switch (value.kind()) {
    case Kind::kInt:
      return HashWord(static_cast<uint64_t>(value.integer()), kNumber);
    case Kind::kUint:
      if (value.unsigned_integer() >> 63 == 0) return HashWord(value.unsigned_integer(), kNumber);
      return HashNumber(static_cast<double>(value.unsigned_integer()));
    case Kind::kDouble:
      return HashNumber(value.real());
    case Kind::kTimestamp:
      return base::HashCombine(HashWord(static_cast<uint64_t>(value.timestamp().seconds), kOther),
                               value.timestamp().nanos);
    case Kind::kString:
    case Kind::kBytes:
      return base::HashBytes(value.text(), kOther + static_cast<uint64_t>(value.kind()));
    case Kind::kBool:
      return HashWord(value.boolean(), kOther + static_cast<uint64_t>(Kind::kBool));
    default:  // durations
      return HashWord(static_cast<uint64_t>(value.nanoseconds()),
                      kOther + static_cast<uint64_t>(value.kind()));
  }
}

void Distinct::Raise(char* chunk, uint32_t index, uint8_t value) {
  const auto before = static_cast<uint8_t>(chunk[index]);
  if (value <= before) return;
  chunk[index] = static_cast<char>(value);
  char* const tallies = chunk + kRegisters;
  Store<uint16_t>(tallies + 2 * before, Load<uint16_t>(tallies + 2 * before) - 1);
  Store<uint16_t>(tallies + 2 * value, Load<uint16_t>(tallies + 2 * value) + 1);
}

void Distinct::AddToRegisters(char* chunk, uint64_t hash) {
  const auto index = static_cast<uint32_t>(hash >> (64 - kPrecision));
  // The position of the first one in the other bits, kHighest where they are all zeros.
  const uint64_t rest = hash << kPrecision | uint64_t{1} << (kPrecision - 1);
  Raise(chunk, index, static_cast<uint8_t>(std::countl_zero(rest) + 1));
}

void Distinct::MakeRegisters(Table& table, size_t at) {
  auto state = Load<DistinctState>(table.data() + at);
  uint64_t hashes[kExact];
  const uint32_t count = state.count;
  std::memcpy(hashes, table.ChunkAt(at), count * sizeof(uint64_t));
  table.Reserve(at, kMaxBytes);
  char* const chunk = table.ChunkAt(at);
  std::memset(chunk, 0, kMaxBytes);
  Store<uint16_t>(chunk + kRegisters, kRegisters);
  for (uint32_t i = 0; i < count; ++i) AddToRegisters(chunk, hashes[i]);
  state = Load<DistinctState>(table.data() + at);
  state.count = 0;
  state.form = 1;
  Store(table.data() + at, state);
}

void Distinct::Add(Table& table, size_t at, uint64_t hash) {
  auto state = Load<DistinctState>(table.data() + at);
  if (state.form == 0) {
    const char* const chunk = table.ChunkAt(at);
    uint32_t low = 0;
    uint32_t high = state.count;
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      if (Load<uint64_t>(chunk + 8 * size_t{middle}) < hash) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low < state.count && Load<uint64_t>(chunk + 8 * size_t{low}) == hash) return;
    if (state.count < kExact) {
      table.Reserve(at, 8 * (size_t{state.count} + 1));
      char* const place = table.ChunkAt(at) + 8 * size_t{low};
      std::memmove(place + 8, place, 8 * size_t{state.count - low});
      Store(place, hash);
      state = Load<DistinctState>(table.data() + at);
      ++state.count;
      Store(table.data() + at, state);
      return;
    }
    MakeRegisters(table, at);
  }
  AddToRegisters(table.ChunkAt(at), hash);
}

void Distinct::Merge(Table& table, size_t at, Table& from, size_t from_at) {
  const auto other = Load<DistinctState>(from.data() + from_at);
  if (other.form == 0) {
    for (uint32_t i = 0; i < other.count; ++i) {
      // Looked up each time: Add may move what it reads from.
      Add(table, at, Load<uint64_t>(from.ChunkAt(from_at) + 8 * size_t{i}));
    }
    return;
  }
  if (Load<DistinctState>(table.data() + at).form == 0) MakeRegisters(table, at);
  char* const chunk = table.ChunkAt(at);
  const char* const source = from.ChunkAt(from_at);
  for (uint32_t i = 0; i < kRegisters; ++i) Raise(chunk, i, static_cast<uint8_t>(source[i]));
}

int64_t Distinct::Estimate(Table& table, size_t at) {
  const auto state = Load<DistinctState>(table.data() + at);
  if (state.form == 0) return state.count;
  const char* const chunk = table.ChunkAt(at);
  constexpr double kCount = kRegisters;
  const auto tally = [&](int value) {
    return static_cast<double>(Load<uint16_t>(Tally(chunk, value)));
  };
  double z = kCount * Tau(1 - tally(kHighest) / kCount);
  for (int value = kHighest - 1; value >= 1; --value) z = 0.5 * (z + tally(value));
  z += kCount * Sigma(tally(0) / kCount);
  constexpr double kAlpha = 0.72134752044448170;  // 1 / (2 ln 2)
  return std::llround(kAlpha * kCount * kCount / z);
}

absl::Status Distinct::Check(Table& table, size_t at) {
  const auto state = Load<DistinctState>(table.data() + at);
  const absl::Status broken = absl::DataLossError("the state is broken: distinct");
  if (state.form > 1 || state.count > kExact) return broken;
  const char* const chunk = table.ChunkAt(at);
  if (state.form == 0) {
    if (state.count * sizeof(uint64_t) > state.chunk.capacity) return broken;
    for (uint32_t i = 1; i < state.count; ++i) {
      if (Load<uint64_t>(chunk + 8 * (i - 1)) >= Load<uint64_t>(chunk + 8 * i)) return broken;
    }
    return absl::OkStatus();
  }
  if (state.chunk.capacity < kMaxBytes) return broken;
  uint16_t tallies[kTallies] = {};
  for (uint32_t i = 0; i < kRegisters; ++i) {
    const auto value = static_cast<uint8_t>(chunk[i]);
    if (value > kHighest) return broken;
    ++tallies[value];
  }
  // All registers being zero is what nothing leaves behind, and has no estimate.
  const bool right = std::memcmp(tallies, chunk + kRegisters, sizeof(tallies)) == 0;
  return right && tallies[0] < kRegisters ? absl::OkStatus() : broken;
}

}  // namespace levada::aggregate
