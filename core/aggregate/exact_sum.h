#pragma once

#include <cmath>
#include <cstdint>

// A sum of doubles in two doubles ("double-double"): about 106 bits, so that what is printed of it
// does not depend on the order of the terms, terms can be taken away again, and the deviation of
// values far from zero is right.
//
//   ExactSum sum;
//   sum.Add(1e16); sum.Add(1.0); sum.Add(-1e16);
//   sum.value()   // 1
//
// Terms and sums are finite: kLargest times any number of terms does not overflow, nor does its
// square.
//
// Thread-safety: plain values.
namespace levada::aggregate {

struct ExactSum {
  static constexpr double kLargest = 1e144;

  double high = 0;  // the sum as a double
  double low = 0;   // what is missing to it

  double value() const { return high; }
  // The sum over `n`, rounded once in nearly all cases.
  double Over(double n) const {
    const double quotient = high / n;
    double error = 0;
    const double back = TwoProduct(quotient, n, &error);
    return quotient + ((high - back) - error + low) / n;
  }

  void Add(double term) { AddPair(term, 0); }

  void AddPair(double other_high, double other_low) {
    // Knuth's two-sum of the high and of the low parts (as in Bailey's "accurate" addition).
    double error = 0;
    double sum = TwoSum(high, other_high, &error);
    double low_error = 0;
    const double low_sum = TwoSum(low, other_low, &low_error);
    error += low_sum;
    sum = QuickTwoSum(sum, error, &error);
    error += low_error;
    high = QuickTwoSum(sum, error, &low);
  }
  void Add(const ExactSum& other) { AddPair(other.high, other.low); }
  void Subtract(const ExactSum& other) { AddPair(-other.high, -other.low); }

  void AddInteger(int64_t term) {
    const auto rounded = static_cast<double>(term);
    // 2^63 as a double is not an int64: wide enough arithmetic for what is missing.
    __extension__ using Wide = __int128;
    AddPair(rounded, static_cast<double>(static_cast<Wide>(term) - static_cast<Wide>(rounded)));
  }

  void AddSquare(double term) {
    double error = 0;
    const double square = TwoProduct(term, term, &error);
    AddPair(square, error);
  }

  static double TwoSum(double a, double b, double* error) {
    const double sum = a + b;
    const double part = sum - a;
    *error = (a - (sum - part)) + (b - part);
    return sum;
  }
  // Where a is not smaller than b, or is zero.
  static double QuickTwoSum(double a, double b, double* error) {
    const double sum = a + b;
    *error = b - (sum - a);
    return sum;
  }
  static double TwoProduct(double a, double b, double* error) {
    const double product = a * b;
#if defined(__FMA__) || defined(__aarch64__)
    *error = __builtin_fma(a, b, -product);
#else
    // Dekker's: both are split into halves of 26 bits, whose products are exact.
    double a_low = 0;
    double b_low = 0;
    const double a_high = Split(a, &a_low);
    const double b_high = Split(b, &b_low);
    *error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
#endif
    return product;
  }
  static double Split(double a, double* low) {
    const double scaled = 134217729.0 * a;  // 2^27 + 1
    const double high = scaled - (scaled - a);
    *low = a - high;
    return high;
  }
};

// The square root of (Σx² − (Σx)²/n) / (n − 1), where the difference has the precision of the sums:
// right as long as the values are no more than some 10^13 deviations from zero.
inline double SampleDeviation(uint64_t count, const ExactSum& sum, const ExactSum& squares) {
  const auto n = static_cast<double>(count);
  double error = 0;
  const double square = ExactSum::TwoProduct(sum.high, sum.high, &error);
  error += 2 * sum.high * sum.low;
  // (Σx)²/n in two parts.
  const double quotient = square / n;
  double back_error = 0;
  const double back = ExactSum::TwoProduct(quotient, n, &back_error);
  const double rest = ((square - back) - back_error + error) / n;
  ExactSum spread = squares;
  spread.AddPair(-quotient, -rest);
  // What is below the precision is zero, never negative.
  return spread.high <= 0 ? 0 : std::sqrt(spread.high / (n - 1));
}

}  // namespace levada::aggregate
