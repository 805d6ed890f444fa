#pragma once

#include <cstdint>

// Time on a grid of equal parts, counted from 1970 in both directions.
//
//   Floor(-1, 10)   // -10
//
// Thread-safety: pure functions.
namespace levada::aggregate {

inline int64_t FloorDiv(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b < 0 ? quotient - 1 : quotient;
}
inline int64_t Floor(int64_t time, int64_t width) { return FloorDiv(time, width) * width; }

}  // namespace levada::aggregate
