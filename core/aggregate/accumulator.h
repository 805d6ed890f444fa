#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "core/aggregate/exact_sum.h"
#include "core/aggregate/table.h"
#include "core/base/arena.h"
#include "core/expr/value.h"

// One aggregate's state: a struct of fixed size in an entry of a table, for some with a chunk of
// the table's heap. Zeros are the state to which nothing was added.
//
//   Function          Bytes  State
//   count                 8  u64
//   sum of integers      16  i128, which no number of terms overflows
//   sum of numbers       16  ExactSum
//   avg                  24  ExactSum, u64 count
//   stddev               40  ExactSum Σx, ExactSum Σx², u64 count
//   min, max             16  Scalar, with a chunk (8) where it may be text
//   first, last          24  Scalar, i64 time in µs, with a chunk (8) where it may be text
//   distinct             16  DistinctState
//   quantile             24  QuantileState
//   time_since_last      24  i64 last and i64 first time in µs, u64 1 once there is one
//
// A state is known by where in its table's blob it stands, since what it points to moves when
// something grows.
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

enum class Function : uint8_t {
  kCount,
  kSum,
  kAvg,
  kMin,
  kMax,
  kStddev,
  kFirst,
  kLast,
  kDistinct,
  kQuantile,
  kTimeSinceLast,
};

// Text beyond this is refused before it is added.
inline constexpr size_t kMaxTextBytes = 64 * 1024;

struct Accumulator {
  Function function = Function::kCount;
  bool integer = false;  // a sum of whole numbers
  bool text = false;     // a scalar that may be text
  uint32_t offset = 0;   // behind an entry's prefix

  uint32_t bytes() const;
  // Where in the state its chunk is referred to; -1 where it has none.
  int chunk() const;
  uint32_t max_chunk_bytes() const;
};

// A value that is kept: its kind and, for text, the size of it in the chunk.
struct Scalar {
  uint8_t kind = 0;  // expr::Kind; kNone: there is none
  uint8_t zeros[3] = {};
  uint32_t size = 0;     // bytes of text, or a timestamp's nanoseconds
  uint64_t payload = 0;  // of what is not text
};
static_assert(sizeof(Scalar) == 16);

// `value` is as AggregateSet::Evaluate gives it; kNone is skipped.
void Add(const Accumulator& accumulator, Table& table, size_t at, const expr::Value& value,
         int64_t time_us);

// Adds all that was added to `from`, whose events arrived later where their times are the same.
// `from` may be in another table or in the same one.
void Merge(const Accumulator& accumulator, Table& table, size_t at, Table& from, size_t from_at);

// Takes away what was merged before. False where that cannot be done: then the state is to be made
// anew from all that is left.
bool Remove(const Accumulator& accumulator, Table& table, size_t at, Table& from, size_t from_at);

// Whether what is taken away leaves a trace within the precision of a sum.
bool IsInexact(const Accumulator& accumulator);
// What the precision of the state is in proportion to, zero where it is exact. After something was
// taken away it has the precision of what was there before.
double Magnitude(const Accumulator& accumulator, Table& table, size_t at);

// Back to nothing; keeps the chunk for what comes.
void Reset(const Accumulator& accumulator, Table& table, size_t at);

// The value; null where it has none, an error where a sum is beyond 64 bits. Text is copied into
// the arena. `parameter`: of a quantile. Not for kTimeSinceLast, whose value depends on an event.
expr::Value Result(const Accumulator& accumulator, double parameter, Table& table, size_t at,
                   base::Arena* arena);

// Of kTimeSinceLast: the last of its times that is not after `time_us`; false where there is none.
// Only the first and the last one are known: where the last is later, it is the first.
bool LastTimeUpTo(Table& table, size_t at, int64_t time_us, int64_t* last_us);
bool HasTimeAfter(Table& table, size_t at, int64_t time_us);

// What a total must agree in with all that was merged into it: how many values there are, or their
// sum where that is of whole numbers. Modulo 2^128; 0 for what has neither.
__extension__ using Whole = unsigned __int128;
Whole WholeOf(const Accumulator& accumulator, Table& table, size_t at);

// Whether the bytes can be used without harm. The table's own Check comes first.
absl::Status Check(const Accumulator& accumulator, Table& table, size_t at);

// ---- Inlined ----

namespace internal {

struct AvgState {
  ExactSum sum;
  uint64_t count = 0;
};
struct StddevState {
  ExactSum sum;
  ExactSum squares;
  uint64_t count = 0;
};
__extension__ using Wide = __int128;

void AddOther(const Accumulator& accumulator, Table& table, size_t at, const expr::Value& value,
              int64_t time_us);

inline void AddNumber(const expr::Value& value, ExactSum* sum) {
  if (value.is(expr::Kind::kDouble)) {
    sum->Add(value.real());
  } else {
    sum->AddInteger(value.integer());
  }
}

}  // namespace internal

inline void Add(const Accumulator& accumulator, Table& table, size_t at, const expr::Value& value,
                int64_t time_us) {
  if (value.is(expr::Kind::kNone)) return;
  char* const state = table.data() + at;
  switch (accumulator.function) {
    case Function::kCount:
      Store(state, Load<uint64_t>(state) + 1);
      return;
    case Function::kSum:
      if (accumulator.integer) {
        const internal::Wide term = value.is(expr::Kind::kInt)
                                        ? internal::Wide{value.integer()}
                                        : internal::Wide{value.unsigned_integer()};
        Store(state, Load<internal::Wide>(state) + term);
      } else {
        auto sum = Load<ExactSum>(state);
        internal::AddNumber(value, &sum);
        Store(state, sum);
      }
      return;
    case Function::kAvg: {
      auto avg = Load<internal::AvgState>(state);
      internal::AddNumber(value, &avg.sum);
      ++avg.count;
      Store(state, avg);
      return;
    }
    default:
      internal::AddOther(accumulator, table, at, value, time_us);
  }
}

}  // namespace levada::aggregate
