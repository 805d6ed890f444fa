// The events of bench_engine.py: benchmarks/payments.h.
//
//   engine_load BROKERS TOPIC COUNT PER_SECOND [USERS]
//
// PER_SECOND: events a second of event time. USERS: a topic that takes a row for every customer.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "benchmarks/payments.h"
#include "core/kafka/producer.h"

namespace {

using levada::kafka::Outgoing;
using levada::kafka::Producer;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "engine_load: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}

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
  if (argc == 6) {
    const int users = (*producer)->AddTopic(argv[5]);
    char key[32];
    char value[512];
    for (int user = 0; user < levada::bench::kUsers; ++user) {
      std::snprintf(key, sizeof key, "u%06d", user);
      std::snprintf(value, sizeof value, R"({"user_id":"%s","tier":"tier-%d","uts":%lld})", key,
                    user % 5, static_cast<long long>(levada::bench::kBegin));
      Send(**producer, users, key, value);
    }
  }
  levada::bench::Payments payments(std::atof(argv[4]));
  const long count = std::atol(argv[3]);
  for (long i = 0; i < count; ++i) {
    payments.Next();
    Send(**producer, topic, payments.key(), payments.value());
  }
  Check((*producer)->Flush(std::chrono::minutes(2)));
  return 0;
}
