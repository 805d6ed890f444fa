#pragma once

#include <librdkafka/rdkafka.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <utility>

// For benchmarks of librdkafka itself: a client by its settings, and the end of the program with
// the reason where something fails.
//
//   rd_kafka_t* consumer = MakeClient(RD_KAFKA_CONSUMER, {{"bootstrap.servers", brokers}});
//
// Threads: any.
namespace levada::bench {

[[noreturn]] inline void Die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what.c_str());
  std::exit(1);
}

inline rd_kafka_t* MakeClient(rd_kafka_type_t type,
                              std::initializer_list<std::pair<const char*, std::string>> settings) {
  char reason[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), reason, sizeof reason) != RD_KAFKA_CONF_OK) {
      Die(reason);
    }
  }
  rd_kafka_t* client = rd_kafka_new(type, conf, reason, sizeof reason);
  if (client == nullptr) Die(reason);
  return client;
}

}  // namespace levada::bench
