#pragma once

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace levada::bench {

inline constexpr int kUsers = 100'000;
inline constexpr int64_t kBegin = 1'767'225'600'000;  // event time of the first: 2026-01-01

// Card payments of about 268 bytes by 100,000 customers, few of whom make most of them (Zipf,
// exponent 1): the events of the benchmarks of the stream engine, the same each time.
class Payments {
 public:
  // Events a second of event time.
  explicit Payments(double per_second);

  // The next event; `key` and `value` are valid until the one after it. The id of event i is "e"
  // and i in twelve digits.
  void Next();
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }

 private:
  int User();

  const double step_ms_;
  std::vector<double> sums_;  // of the shares of the first customers
  std::mt19937_64 random_{7};
  int64_t count_ = 0;
  char key_[32];
  char value_[512];
};

}  // namespace levada::bench
