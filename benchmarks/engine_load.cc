// The events of bench_engine.py: card payments of about 268 bytes by 100,000 customers, few of whom
// make most of them (Zipf, exponent 1), a thousandth of a minute of event time from one to the
// next.
//
//   engine_load BROKERS TOPIC COUNT PER_SECOND [USERS]
//
// PER_SECOND: events a second of event time. USERS: a topic that takes a row for every customer.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "core/kafka/producer.h"

namespace {

using levada::kafka::Outgoing;
using levada::kafka::Producer;

constexpr int kUsers = 100'000;
constexpr int64_t kBegin = 1'767'225'600'000;  // 2026-01-01

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "engine_load: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

// Ranks by Zipf's law: the k-th has 1/k of what the first has.
class Zipf {
 public:
  Zipf() : sums_(kUsers) {
    double sum = 0;
    for (int i = 0; i < kUsers; ++i) sums_[i] = sum += 1.0 / (i + 1);
  }
  int operator()(std::mt19937_64& random) {
    const double at = std::uniform_real_distribution<>(0, sums_.back())(random);
    return static_cast<int>(std::lower_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

void Send(Producer& producer, int topic, std::string_view key, std::string_view value) {
  Outgoing record;
  record.topic = topic;
  record.key = key;
  record.has_key = true;
  record.value = value;
  Check(producer.Produce(record));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5 || argc > 6) {
    std::fprintf(stderr, "usage: engine_load BROKERS TOPIC COUNT PER_SECOND [USERS]\n");
    return 2;
  }
  Producer::Options options;
  options.client.brokers = argv[1];
  options.linger = std::chrono::milliseconds(50);
  auto producer = Producer::Create(options, nullptr);
  Check(producer.status());
  const int topic = (*producer)->AddTopic(argv[2]);
  const long count = std::atol(argv[3]);
  const double step_ms = 1000 / std::atof(argv[4]);
  char key[32];
  char value[512];
  if (argc == 6) {
    const int users = (*producer)->AddTopic(argv[5]);
    for (int user = 0; user < kUsers; ++user) {
      std::snprintf(key, sizeof key, "u%06d", user);
      std::snprintf(value, sizeof value, R"({"user_id":"%s","tier":"tier-%d","uts":%lld})", key,
                    user % 5, static_cast<long long>(kBegin));
      Send(**producer, users, key, value);
    }
  }
  static const char* const kCurrencies[] = {"USD", "EUR", "GBP", "JPY"};
  static const char* const kCountries[] = {"US", "DE", "GB", "JP", "PT", "BR"};
  std::mt19937_64 random(7);
  Zipf zipf;
  for (long i = 0; i < count; ++i) {
    const int user = zipf(random);
    const uint64_t r = random();
    std::snprintf(key, sizeof key, "u%06d", user);
    std::snprintf(
        value, sizeof value,
        R"({"id":"e%012ld","ts":%lld,"user_id":"%s","card":"4%015llu","amount":%.2f,"currency":"%s",)"
        R"("merchant":"m%05llu","mcc":"%04llu","country":"%s","device":"d%08llx","ip":"10.%llu.%llu.%llu",)"
        R"("channel":"%s"})",
        i, static_cast<long long>(kBegin + static_cast<int64_t>(static_cast<double>(i) * step_ms)),
        key, static_cast<unsigned long long>(r % 1'000'000'000'000'000),
        static_cast<double>(r % 50'000) / 100, kCurrencies[r >> 8 & 3],
        static_cast<unsigned long long>(r >> 16) % 20'000,
        static_cast<unsigned long long>(r >> 20) % 10'000, kCountries[(r >> 40) % 6],
        static_cast<unsigned long long>(r >> 32), static_cast<unsigned long long>(r >> 48 & 255),
        static_cast<unsigned long long>(r >> 40 & 255),
        static_cast<unsigned long long>(r >> 32 & 255), (r >> 60 & 1) != 0 ? "web" : "app");
    Send(**producer, topic, key, value);
  }
  Check((*producer)->Flush(std::chrono::minutes(2)));
  return 0;
}
