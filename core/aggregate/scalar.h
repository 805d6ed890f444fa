#pragma once

#include "core/aggregate/accumulator.h"

// The states of min, max, first and last: one value of any single kind.
//
// Thread-safety: one thread at a time.
namespace levada::aggregate {

void AddScalar(const Accumulator& accumulator, Table& table, size_t at, const expr::Value& value,
               int64_t time_us);
// `from` may be in another table or in the same one.
void MergeScalar(const Accumulator& accumulator, Table& table, size_t at, Table& from,
                 size_t from_at);
// Takes away what was merged; false where it may be the value that is there.
bool RemoveScalar(const Accumulator& accumulator, Table& table, size_t at, Table& from,
                  size_t from_at);
// The value; kNone where there is none. Text is a view of the table's bytes.
expr::Value ReadScalar(const Accumulator& accumulator, Table& table, size_t at);
bool IsSaneScalar(const Accumulator& accumulator, Table& table, size_t at);

// Whether the function keeps the value's time behind it.
inline bool HasTime(Function function) {
  return function == Function::kFirst || function == Function::kLast;
}

}  // namespace levada::aggregate
