#include "benchmarks/payments.h"

#include <algorithm>
#include <cstdio>

namespace levada::bench {
namespace {

using Number = unsigned long long;

const char* const kCurrencies[] = {"USD", "EUR", "GBP", "JPY"};
const char* const kCountries[] = {"US", "DE", "GB", "JP", "PT", "BR"};

}  // namespace

Payments::Payments(double per_second) : step_ms_(1000 / per_second), sums_(kUsers) {
  double sum = 0;
  for (int i = 0; i < kUsers; ++i) sums_[i] = sum += 1.0 / (i + 1);
}

int Payments::User() {
  const double at = std::uniform_real_distribution<>(0, sums_.back())(random_);
  return static_cast<int>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
}

void Payments::Next() {
  std::snprintf(key_, sizeof key_, "u%06d", User());
  const Number r = random_();
  const auto time = kBegin + static_cast<int64_t>(static_cast<double>(count_) * step_ms_);
  std::snprintf(
      value_, sizeof value_,
      R"({"id":"e%012lld","ts":%lld,"user_id":"%s","card":"4%015llu","amount":%.2f,"currency":"%s",)"
      R"("merchant":"m%05llu","mcc":"%04llu","country":"%s","device":"d%08llx",)"
      R"("ip":"10.%llu.%llu.%llu","channel":"%s"})",
      static_cast<long long>(count_++), static_cast<long long>(time), key_,
      r % 1'000'000'000'000'000, static_cast<double>(r % 50'000) / 100, kCurrencies[r >> 8 & 3],
      (r >> 16) % 20'000, (r >> 20) % 10'000, kCountries[(r >> 40) % 6], r >> 32, r >> 48 & 255,
      r >> 40 & 255, r >> 32 & 255, (r >> 60 & 1) != 0 ? "web" : "app");
}

}  // namespace levada::bench
