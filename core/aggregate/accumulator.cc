#include "core/aggregate/accumulator.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/aggregate/distinct.h"
#include "core/aggregate/quantile.h"
#include "core/aggregate/scalar.h"

namespace levada::aggregate {
namespace {

using expr::Kind;
using expr::Value;
using internal::AvgState;
using internal::StddevState;
using internal::Wide;

struct TimeState {
  int64_t last_us = 0;
  int64_t first_us = 0;
  uint64_t any = 0;
};

TimeState LoadTime(Table& table, size_t at) { return Load<TimeState>(table.data() + at); }

void MergeTimes(Table& table, size_t at, const TimeState& added) {
  if (added.any == 0) return;
  TimeState state = LoadTime(table, at);
  if (state.any == 0) {
    state = added;
  } else {
    state.last_us = std::max(state.last_us, added.last_us);
    state.first_us = std::min(state.first_us, added.first_us);
  }
  Store(table.data() + at, state);
}

// Far from where sums and differences of them overflow.
bool SaneCount(uint64_t count) { return count >> 48 == 0; }
bool SaneTime(int64_t time_us) {
  constexpr int64_t kEnd = int64_t{1} << 60;
  return time_us > -kEnd && time_us < kEnd;
}

// Adding to what is not finite or too large is not harmful, only of no use.
bool Sane(const ExactSum& sum) { return std::isfinite(sum.high) && std::isfinite(sum.low); }

}  // namespace

uint32_t Accumulator::bytes() const {
  const uint32_t chunk_bytes = text ? sizeof(Chunk) : 0;
  switch (function) {
    case Function::kCount:
      return sizeof(uint64_t);
    case Function::kSum:
      return 16;
    case Function::kAvg:
      return sizeof(AvgState);
    case Function::kStddev:
      return sizeof(StddevState);
    case Function::kMin:
    case Function::kMax:
      return sizeof(Scalar) + chunk_bytes;
    case Function::kFirst:
    case Function::kLast:
      return sizeof(Scalar) + sizeof(int64_t) + chunk_bytes;
    case Function::kDistinct:
      return sizeof(DistinctState);
    case Function::kQuantile:
      return sizeof(QuantileState);
    case Function::kTimeSinceLast:
      return sizeof(TimeState);
  }
  return 0;
}

int Accumulator::chunk() const {
  if (function == Function::kDistinct || function == Function::kQuantile) return 0;
  if (!text) return -1;
  return sizeof(Scalar) + (HasTime(function) ? sizeof(int64_t) : 0);
}

uint32_t Accumulator::max_chunk_bytes() const {
  if (function == Function::kDistinct) return Distinct::kMaxBytes;
  if (function == Function::kQuantile) return Quantile::kMaxBytes;
  return text ? kMaxTextBytes : 0;
}

namespace internal {

void AddOther(const Accumulator& accumulator, Table& table, size_t at, const Value& value,
              int64_t time_us) {
  switch (accumulator.function) {
    case Function::kStddev: {
      auto state = Load<StddevState>(table.data() + at);
      const double number =
          value.is(Kind::kDouble) ? value.real() : static_cast<double>(value.integer());
      state.sum.Add(number);
      state.squares.AddSquare(number);
      ++state.count;
      Store(table.data() + at, state);
      return;
    }
    case Function::kDistinct:
      Distinct::Add(table, at, Distinct::HashOf(value));
      return;
    case Function::kQuantile:
      Quantile::Add(table, at,
                    value.is(Kind::kDouble) ? value.real() : static_cast<double>(value.integer()));
      return;
    case Function::kTimeSinceLast:
      MergeTimes(table, at, {time_us, time_us, 1});
      return;
    default:
      AddScalar(accumulator, table, at, value, time_us);
  }
}

}  // namespace internal

void Merge(const Accumulator& accumulator, Table& table, size_t at, Table& from, size_t from_at) {
  char* const to = table.data() + at;
  const char* const other = from.data() + from_at;
  switch (accumulator.function) {
    case Function::kCount:
      Store(to, Load<uint64_t>(to) + Load<uint64_t>(other));
      return;
    case Function::kSum:
      if (accumulator.integer) {
        Store(to, Load<Wide>(to) + Load<Wide>(other));
      } else {
        auto sum = Load<ExactSum>(to);
        sum.Add(Load<ExactSum>(other));
        Store(to, sum);
      }
      return;
    case Function::kAvg: {
      auto state = Load<AvgState>(to);
      const auto added = Load<AvgState>(other);
      state.sum.Add(added.sum);
      state.count += added.count;
      Store(to, state);
      return;
    }
    case Function::kStddev: {
      auto state = Load<StddevState>(to);
      const auto added = Load<StddevState>(other);
      state.sum.Add(added.sum);
      state.squares.Add(added.squares);
      state.count += added.count;
      Store(to, state);
      return;
    }
    case Function::kDistinct:
      Distinct::Merge(table, at, from, from_at);
      return;
    case Function::kQuantile:
      Quantile::Merge(table, at, from, from_at);
      return;
    case Function::kTimeSinceLast:
      MergeTimes(table, at, LoadTime(from, from_at));
      return;
    default:
      MergeScalar(accumulator, table, at, from, from_at);
  }
}

bool Remove(const Accumulator& accumulator, Table& table, size_t at, Table& from, size_t from_at) {
  char* const to = table.data() + at;
  const char* const other = from.data() + from_at;
  switch (accumulator.function) {
    case Function::kCount:
      Store(to, Load<uint64_t>(to) - Load<uint64_t>(other));
      return true;
    case Function::kSum: {
      if (accumulator.integer) {
        Store(to, Load<Wide>(to) - Load<Wide>(other));
        return true;
      }
      auto sum = Load<ExactSum>(to);
      sum.Subtract(Load<ExactSum>(other));
      Store(to, sum);
      return true;
    }
    case Function::kAvg: {
      auto state = Load<AvgState>(to);
      const auto gone = Load<AvgState>(other);
      state.sum.Subtract(gone.sum);
      state.count -= gone.count;
      Store(to, state);
      return true;
    }
    case Function::kStddev: {
      auto state = Load<StddevState>(to);
      const auto gone = Load<StddevState>(other);
      state.sum.Subtract(gone.sum);
      state.squares.Subtract(gone.squares);
      state.count -= gone.count;
      Store(to, state);
      return true;
    }
    case Function::kDistinct:
      return Load<DistinctState>(other).chunk.capacity == 0;
    case Function::kQuantile:
      return Quantile::Remove(table, at, from, from_at);
    case Function::kTimeSinceLast:
      // The first time is of use only in panes, from which nothing is taken.
      return LoadTime(from, from_at).any == 0 ||
             LoadTime(from, from_at).last_us != LoadTime(table, at).last_us;
    default:
      return RemoveScalar(accumulator, table, at, from, from_at);
  }
}

bool IsInexact(const Accumulator& accumulator) {
  return (accumulator.function == Function::kSum && !accumulator.integer) ||
         accumulator.function == Function::kAvg || accumulator.function == Function::kStddev;
}

double Magnitude(const Accumulator& accumulator, Table& table, size_t at) {
  const char* const state = table.data() + at;
  switch (accumulator.function) {
    case Function::kSum:
      return accumulator.integer ? 0 : std::fabs(Load<ExactSum>(state).high);
    case Function::kAvg:
      return std::fabs(Load<AvgState>(state).sum.high);
    case Function::kStddev:
      return std::fabs(Load<StddevState>(state).squares.high);
    default:
      return 0;
  }
}

void Reset(const Accumulator& accumulator, Table& table, size_t at) {
  char* const state = table.data() + at;
  if (accumulator.chunk() < 0) {
    std::memset(state, 0, accumulator.bytes());
    return;
  }
  const auto chunk = Load<Chunk>(state + accumulator.chunk());
  std::memset(state, 0, accumulator.bytes());
  Store(state + accumulator.chunk(), chunk);
}

Value Result(const Accumulator& accumulator, double parameter, Table& table, size_t at,
             base::Arena* arena) {
  const char* const state = table.data() + at;
  switch (accumulator.function) {
    case Function::kCount:
      return Value::Int(Load<int64_t>(state));
    case Function::kSum: {
      if (!accumulator.integer) return Value::Double(Load<ExactSum>(state).value());
      const auto sum = Load<Wide>(state);
      if (sum > std::numeric_limits<int64_t>::max() || sum < std::numeric_limits<int64_t>::min()) {
        return Value::Error("the sum is beyond a whole number of 64 bits");
      }
      return Value::Int(static_cast<int64_t>(sum));
    }
    case Function::kAvg: {
      const auto avg = Load<AvgState>(state);
      if (avg.count == 0) return Value::Null();
      return Value::Double(avg.sum.Over(static_cast<double>(avg.count)));
    }
    case Function::kStddev: {
      const auto stddev = Load<StddevState>(state);
      if (stddev.count < 2) return Value::Null();
      return Value::Double(SampleDeviation(stddev.count, stddev.sum, stddev.squares));
    }
    case Function::kDistinct:
      return Value::Int(Distinct::Estimate(table, at));
    case Function::kQuantile:
      if (Load<QuantileState>(state).bins == 0) return Value::Null();
      return Value::Double(Quantile::Value(table, at, parameter));
    case Function::kTimeSinceLast:
      return Value::Null();
    default:
      break;
  }
  const Value value = ReadScalar(accumulator, table, at);
  if (value.is(Kind::kNone)) return Value::Null();
  if (value.is(Kind::kString)) return Value::String(arena->Copy(value.text()));
  if (value.is(Kind::kBytes)) return Value::Bytes(arena->Copy(value.text()));
  return value;
}

bool LastTimeUpTo(Table& table, size_t at, int64_t time_us, int64_t* last_us) {
  const TimeState state = LoadTime(table, at);
  *last_us = state.last_us <= time_us ? state.last_us : state.first_us;
  return state.any != 0 && *last_us <= time_us;
}

bool HasTimeAfter(Table& table, size_t at, int64_t time_us) {
  const TimeState state = LoadTime(table, at);
  return state.any != 0 && state.last_us > time_us;
}

Whole WholeOf(const Accumulator& accumulator, Table& table, size_t at) {
  const char* const state = table.data() + at;
  switch (accumulator.function) {
    case Function::kCount:
      return Load<uint64_t>(state);
    case Function::kSum:
      return accumulator.integer ? static_cast<Whole>(Load<Wide>(state)) : 0;
    case Function::kAvg:
      return Load<AvgState>(state).count;
    case Function::kStddev:
      return Load<StddevState>(state).count;
    case Function::kQuantile:
      return Load<QuantileState>(state).count;
    default:
      return 0;
  }
}

absl::Status Check(const Accumulator& accumulator, Table& table, size_t at) {
  const char* const state = table.data() + at;
  const auto verdict = [](bool sane) {
    return sane ? absl::OkStatus() : absl::DataLossError("the state is broken: a value");
  };
  switch (accumulator.function) {
    case Function::kCount:
      return verdict(SaneCount(Load<uint64_t>(state)));
    case Function::kSum: {
      if (!accumulator.integer) return verdict(Sane(Load<ExactSum>(state)));
      constexpr Wide kMost = Wide{1} << 111;
      const auto sum = Load<Wide>(state);
      return verdict(sum < kMost && sum > -kMost);
    }
    case Function::kAvg: {
      const auto avg = Load<AvgState>(state);
      return verdict(SaneCount(avg.count) && Sane(avg.sum));
    }
    case Function::kStddev: {
      const auto stddev = Load<StddevState>(state);
      return verdict(SaneCount(stddev.count) && Sane(stddev.sum) && Sane(stddev.squares));
    }
    case Function::kDistinct:
      return Distinct::Check(table, at);
    case Function::kQuantile:
      return Quantile::Check(table, at);
    case Function::kTimeSinceLast: {
      const TimeState time = LoadTime(table, at);
      return verdict(time.any <= 1 && SaneTime(time.last_us) && SaneTime(time.first_us));
    }
    default:
      return verdict(IsSaneScalar(accumulator, table, at));
  }
}

}  // namespace levada::aggregate
