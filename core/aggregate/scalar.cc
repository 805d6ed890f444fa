#include "core/aggregate/scalar.h"

#include <bit>
#include <cmath>

#include "core/expr/compare.h"
#include "core/expr/time.h"

namespace levada::aggregate {
namespace {

using expr::Kind;
using expr::Value;

constexpr size_t kTimeInScalar = sizeof(Scalar);

bool IsText(Kind kind) { return kind == Kind::kString || kind == Kind::kBytes; }

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

}  // namespace

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

void AddScalar(const Accumulator& accumulator, Table& table, size_t at, const Value& value,
               int64_t time_us) {
  if (Replaces(accumulator, table, at, value, time_us)) {
    WriteScalar(accumulator, table, at, value, time_us);
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

bool IsSaneScalar(const Accumulator& accumulator, Table& table, size_t at) {
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

}  // namespace levada::aggregate
