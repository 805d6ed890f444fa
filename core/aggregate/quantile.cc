#include "core/aggregate/quantile.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace levada::aggregate {
namespace {

struct Bin {
  int32_t code = 0;
  uint32_t count = 0;
};
static_assert(sizeof(Bin) == 8);

constexpr int32_t kLargestIndex = 1 << 16;  // of any finite value, at level 0

double LogOfGamma(uint32_t level) {
  static const double log = std::log((1 + Quantile::kError) / (1 - Quantile::kError));
  return std::ldexp(log, static_cast<int>(level));
}

// The bin that holds the bin `code` once `times` more neighbours were put together.
int32_t Coarser(int32_t code, uint32_t times) {
  if (code == 0) return 0;
  int32_t index = std::abs(code) - Quantile::kBase;
  for (uint32_t i = 0; i < times; ++i) index = (index + 1) >> 1;
  return code > 0 ? Quantile::kBase + index : -(Quantile::kBase + index);
}

int32_t CodeOf(double value, uint32_t level) {
  if (value == 0) return 0;
  // At level 0 first, so that it does not matter when bins were put together.
  const auto index = static_cast<int32_t>(std::ceil(std::log(std::fabs(value)) / LogOfGamma(0)));
  const int32_t code = Quantile::kBase + index;
  return Coarser(value > 0 ? code : -code, level);
}

// The value that is as far from both ends of its bin, in proportion.
double ValueOf(int32_t code, uint32_t level) {
  if (code == 0) return 0;
  const double log = LogOfGamma(level);
  const double index = std::abs(code) - Quantile::kBase;
  // 2·γ^n / (γ + 1), where γ itself may be beyond a double.
  const double middle = std::exp(index * log - std::log1p(std::exp(log)) + std::log(2.0));
  const double value = std::min(middle, std::numeric_limits<double>::max());
  return code > 0 ? value : -value;
}

uint32_t Plus(uint32_t a, uint32_t b) {
  const uint32_t sum = a + b;
  return sum < a ? std::numeric_limits<uint32_t>::max() : sum;
}

class Sketch {
 public:
  Sketch(Table& table, size_t at)
      : table_(table), at_(at), state_(Load<QuantileState>(table.data() + at)) {}

  QuantileState& state() { return state_; }
  Bin At(uint32_t i) const { return Load<Bin>(bins() + 8 * size_t{i}); }
  void Set(uint32_t i, Bin bin) { Store(bins() + 8 * size_t{i}, bin); }
  char* bins() const { return table_.ChunkAt(at_); }

  // The first bin whose code is not less.
  uint32_t Find(int32_t code) const {
    const char* const begin = bins();
    uint32_t low = 0;
    uint32_t high = state_.bins;
    while (low < high) {
      const uint32_t middle = (low + high) / 2;
      if (Load<Bin>(begin + 8 * size_t{middle}).code < code) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  // Adds to a bin, which is made where there is none.
  void Put(int32_t code, uint32_t count) {
    const uint32_t place = Find(code);
    if (place < state_.bins && At(place).code == code) {
      Set(place, {code, Plus(At(place).count, count)});
      return;
    }
    Save();
    table_.Reserve(at_, 8 * (size_t{state_.bins} + 1));
    state_ = Load<QuantileState>(table_.data() + at_);
    char* const where = bins() + 8 * size_t{place};
    std::memmove(where + 8, where, 8 * size_t{state_.bins - place});
    Set(place, {code, count});
    ++state_.bins;
    while (state_.bins > Quantile::kMaxBins) Coarsen(1);
  }

  void Coarsen(uint32_t times) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < state_.bins; ++i) {
      const Bin bin = At(i);
      const int32_t code = Coarser(bin.code, times);
      if (kept > 0 && At(kept - 1).code == code) {
        Set(kept - 1, {code, Plus(At(kept - 1).count, bin.count)});
      } else {
        Set(kept++, {code, bin.count});
      }
    }
    Shorten(kept);
    state_.level += times;
  }

  // What is behind the bins is zeros, so that equal sketches are equal bytes.
  void Shorten(uint32_t bins_left) {
    std::memset(bins() + 8 * size_t{bins_left}, 0, 8 * size_t{state_.bins - bins_left});
    state_.bins = bins_left;
  }

  void Save() { Store(table_.data() + at_, state_); }

 private:
  Table& table_;
  size_t at_;
  QuantileState state_;
};

}  // namespace

void Quantile::Add(Table& table, size_t at, double value) {
  Sketch sketch(table, at);
  sketch.Put(CodeOf(value, sketch.state().level), 1);
  ++sketch.state().count;
  sketch.Save();
}

void Quantile::Merge(Table& table, size_t at, Table& from, size_t from_at) {
  Sketch sketch(table, at);
  const auto other = Load<QuantileState>(from.data() + from_at);
  if (other.level > sketch.state().level) {
    sketch.Coarsen(other.level - sketch.state().level);
    sketch.Save();
  }
  for (uint32_t i = 0; i < other.bins; ++i) {
    // Looked up each time: Put may move what it reads from.
    const Bin bin = Load<Bin>(from.ChunkAt(from_at) + 8 * size_t{i});
    sketch.Put(Coarser(bin.code, sketch.state().level - other.level), bin.count);
  }
  sketch.state().count += other.count;
  sketch.Save();
}

bool Quantile::Remove(Table& table, size_t at, Table& from, size_t from_at) {
  Sketch sketch(table, at);
  Sketch other(from, from_at);
  // A sketch that was put together would stay so for ever.
  if (sketch.state().level > 0 || sketch.state().count < other.state().count) return false;
  uint32_t place = 0;
  for (uint32_t i = 0; i < other.state().bins; ++i) {
    const Bin bin = other.At(i);
    while (place < sketch.state().bins && sketch.At(place).code < bin.code) ++place;
    if (place == sketch.state().bins) return false;
    const Bin mine = sketch.At(place);
    if (mine.code != bin.code || mine.count < bin.count) return false;
    sketch.Set(place, {mine.code, mine.count - bin.count});
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < sketch.state().bins; ++i) {
    const Bin bin = sketch.At(i);
    if (bin.count > 0) sketch.Set(kept++, bin);
  }
  sketch.Shorten(kept);
  sketch.state().count -= other.state().count;
  sketch.Save();
  return true;
}

double Quantile::Value(Table& table, size_t at, double p) {
  Sketch sketch(table, at);
  const auto last = static_cast<double>(sketch.state().count - 1);
  auto before = static_cast<uint64_t>(p * last);
  const char* const bins = sketch.bins();
  for (uint32_t i = 0; i < sketch.state().bins; ++i) {
    const Bin bin = Load<Bin>(bins + 8 * size_t{i});
    if (before < bin.count) return ValueOf(bin.code, sketch.state().level);
    before -= bin.count;
  }
  return ValueOf(sketch.At(sketch.state().bins - 1).code, sketch.state().level);
}

absl::Status Quantile::Check(Table& table, size_t at) {
  const absl::Status broken = absl::DataLossError("the state is broken: quantile");
  Sketch sketch(table, at);
  const QuantileState& state = sketch.state();
  if (state.bins > kMaxBins || state.level > kMaxLevel) return broken;
  if (state.bins * sizeof(Bin) > state.chunk.capacity) return broken;
  if (state.count >> 48 != 0 || (state.count == 0) != (state.bins == 0)) return broken;
  uint64_t count = 0;
  bool saturated = false;
  for (uint32_t i = 0; i < state.bins; ++i) {
    const Bin bin = sketch.At(i);
    const bool in_range = bin.code == 0 ||
                          (bin.code > kBase - kLargestIndex && bin.code < kBase + kLargestIndex) ||
                          (bin.code < kLargestIndex - kBase && bin.code > -kBase - kLargestIndex);
    if (!in_range || bin.count == 0) return broken;
    if (i > 0 && sketch.At(i - 1).code >= bin.code) return broken;
    saturated |= bin.count == std::numeric_limits<uint32_t>::max();
    count += bin.count;
  }
  return count == state.count || (saturated && count < state.count) ? absl::OkStatus() : broken;
}

}  // namespace levada::aggregate
