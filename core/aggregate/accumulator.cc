#include "core/aggregate/accumulator.h"

#include <bit>
#include <cmath>
#include <limits>

#include "core/aggregate/distinct.h"
#include "core/aggregate/quantile.h"
#include "core/expr/compare.h"
#include "core/expr/time.h"

namespace levada::aggregate {
namespace {

using expr::Kind;
using expr::Value;
using internal::AvgState;
using internal::StddevState;
using internal::Wide;

constexpr size_t kTimeInScalar = sizeof(Scalar);  // of first and last

struct TimeState {
  int64_t time_us = 0;
  uint64_t any = 0;
};

bool IsText(Kind kind) { return kind == Kind::kString || kind == Kind::kBytes; }
bool HasTime(Function function) {
  return function == Function::kFirst || function == Function::kLast;
}

// Values of different kinds are in this order; numbers are one kind.
int Rank(Kind kind) {
  switch (kind) {
    case Kind::kBool:
      return 0;
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDouble:
      return 1;
    case Kind::kTimestamp:
      return 2;
    case Kind::kDuration:
      return 3;
    case Kind::kString:
      return 4;
    default:
      return 5;
  }
}

bool Less(const Value& a, const Value& b) {
  if (a.is(Kind::kDouble) && b.is(Kind::kDouble)) return a.real() < b.real();
  const int left = Rank(a.kind());
  const int right = Rank(b.kind());
  return left == right ? expr::Compare(a, b) < 0 : left < right;
}

// A view of the table's bytes where it is text.
Value ReadScalar(const Accumulator& accumulator, Table& table, size_t at) {
  const auto scalar = Load<Scalar>(table.data() + at);
  switch (static_cast<Kind>(scalar.kind)) {
    case Kind::kBool:
      return Value::Bool(scalar.payload != 0);
    case Kind::kInt:
      return Value::Int(static_cast<int64_t>(scalar.payload));
    case Kind::kUint:
      return Value::Uint(scalar.payload);
    case Kind::kDouble:
      return Value::Double(std::bit_cast<double>(scalar.payload));
    case Kind::kTimestamp:
      return Value::OfTimestamp({static_cast<int64_t>(scalar.payload), scalar.size});
    case Kind::kDuration:
      return Value::Duration(static_cast<int64_t>(scalar.payload));
    case Kind::kString:
      return Value::String({table.ChunkAt(at + accumulator.chunk()), scalar.size});
    case Kind::kBytes:
      return Value::Bytes({table.ChunkAt(at + accumulator.chunk()), scalar.size});
    default:
      return Value();
  }
}

Scalar Inline(const Value& value) {
  Scalar scalar;
  scalar.kind = static_cast<uint8_t>(value.kind());
  switch (value.kind()) {
    case Kind::kBool:
      scalar.payload = value.boolean();
      break;
    case Kind::kUint:
      scalar.payload = value.unsigned_integer();
      break;
    case Kind::kDouble:
      scalar.payload = std::bit_cast<uint64_t>(value.real());
      break;
    case Kind::kTimestamp:
      scalar.payload = static_cast<uint64_t>(value.timestamp().seconds);
      scalar.size = value.timestamp().nanos;
      break;
    case Kind::kDuration:
      scalar.payload = static_cast<uint64_t>(value.nanoseconds());
      break;
    default:
      scalar.payload = static_cast<uint64_t>(value.integer());
  }
  return scalar;
}

// `text` must not be in the table.
void WriteText(const Accumulator& accumulator, Table& table, size_t at, Kind kind,
               std::string_view text) {
  const size_t ref = at + accumulator.chunk();
  table.Reserve(ref, text.size());
  char* const chunk = table.ChunkAt(ref);
  if (!text.empty()) std::memcpy(chunk, text.data(), text.size());
  Scalar scalar;
  scalar.kind = static_cast<uint8_t>(kind);
  scalar.size = static_cast<uint32_t>(text.size());
  Store(table.data() + at, scalar);
}

void WriteScalar(const Accumulator& accumulator, Table& table, size_t at, const Value& value,
                 int64_t time_us) {
  if (IsText(value.kind())) {
    WriteText(accumulator, table, at, value.kind(), value.text());
  } else {
    Store(table.data() + at, Inline(value));
  }
  if (HasTime(accumulator.function)) Store(table.data() + at + kTimeInScalar, time_us);
}

int64_t TimeOf(Table& table, size_t at) { return Load<int64_t>(table.data() + at + kTimeInScalar); }

// Whether a value takes the place of the one that is there. Of equal times the earlier arrival is
// the first, the later one the last.
bool Replaces(const Accumulator& accumulator, Table& table, size_t at, const Value& value,
              int64_t time_us) {
  const Value now = ReadScalar(accumulator, table, at);
  if (now.is(Kind::kNone)) return true;
  switch (accumulator.function) {
    case Function::kMin:
      return Less(value, now);
    case Function::kMax:
      return Less(now, value);
    case Function::kFirst:
      return time_us < TimeOf(table, at);
    default:
      return time_us >= TimeOf(table, at);
  }
}

void MergeScalar(const Accumulator& accumulator, Table& table, size_t at, Table& from,
                 size_t from_at) {
  const Value value = ReadScalar(accumulator, from, from_at);
  if (value.is(Kind::kNone)) return;
  const int64_t time = HasTime(accumulator.function) ? TimeOf(from, from_at) : 0;
  if (!Replaces(accumulator, table, at, value, time)) return;
  if (IsText(value.kind())) {
    // Room first: `value` is a view that making room may move.
    table.Reserve(at + accumulator.chunk(), value.text().size());
    WriteScalar(accumulator, table, at, ReadScalar(accumulator, from, from_at), time);
  } else {
    WriteScalar(accumulator, table, at, value, time);
  }
}

// Merged scalars: what is taken away matters only where it may be the one that is there.
bool RemoveScalar(const Accumulator& accumulator, Table& table, size_t at, Table& from,
                  size_t from_at) {
  const Value gone = ReadScalar(accumulator, from, from_at);
  if (gone.is(Kind::kNone)) return true;
  if (HasTime(accumulator.function)) return TimeOf(table, at) != TimeOf(from, from_at);
  const Value now = ReadScalar(accumulator, table, at);
  return accumulator.function == Function::kMin ? Less(now, gone) : Less(gone, now);
}

TimeState LoadTime(Table& table, size_t at) { return Load<TimeState>(table.data() + at); }

// Far from where sums and differences of them overflow.
bool SaneCount(uint64_t count) { return count >> 48 == 0; }
bool SaneTime(int64_t time_us) {
  constexpr int64_t kEnd = int64_t{1} << 60;
  return time_us > -kEnd && time_us < kEnd;
}

// Adding to what is not finite or too large is not harmful, only of no use.
bool Sane(const ExactSum& sum) { return std::isfinite(sum.high) && std::isfinite(sum.low); }

bool SaneScalar(const Accumulator& accumulator, Table& table, size_t at) {
  const auto scalar = Load<Scalar>(table.data() + at);
  switch (static_cast<Kind>(scalar.kind)) {
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kUint:
    case Kind::kDuration:
      return scalar.size == 0;
    case Kind::kDouble:
      return scalar.size == 0 && !std::isnan(std::bit_cast<double>(scalar.payload));
    case Kind::kTimestamp:
      return scalar.size < expr::kNanosPerSecond &&
             expr::InRange({static_cast<int64_t>(scalar.payload), scalar.size});
    case Kind::kString:
    case Kind::kBytes:
      return accumulator.text && scalar.size <= table.CapacityOf(at + accumulator.chunk());
    default:
      return false;
  }
}

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
    case Function::kTimeSinceLast: {
      const TimeState state = LoadTime(table, at);
      if (state.any == 0 || time_us > state.time_us)
        Store(table.data() + at, TimeState{time_us, 1});
      return;
    }
    default:
      if (Replaces(accumulator, table, at, value, time_us)) {
        WriteScalar(accumulator, table, at, value, time_us);
      }
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
    case Function::kTimeSinceLast: {
      const TimeState added = LoadTime(from, from_at);
      const TimeState state = LoadTime(table, at);
      if (added.any != 0 && (state.any == 0 || added.time_us > state.time_us)) Store(to, added);
      return;
    }
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
      return LoadTime(from, from_at).any == 0 ||
             LoadTime(from, from_at).time_us != LoadTime(table, at).time_us;
    default:
      return RemoveScalar(accumulator, table, at, from, from_at);
  }
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

bool LastTime(Table& table, size_t at, int64_t* time_us) {
  const TimeState state = LoadTime(table, at);
  *time_us = state.time_us;
  return state.any != 0;
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
      return verdict(time.any <= 1 && SaneTime(time.time_us));
    }
    default:
      return verdict(SaneScalar(accumulator, table, at));
  }
}

}  // namespace levada::aggregate
