#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/kafka/client.h"
#include "services/notify/sent_log.h"

// The send log in its topic, which the plan creates. Nothing is connected to before the first call.
//
// Thread-safety: one thread.
namespace levada::notify {

struct KafkaSentLogOptions {
  kafka::ClientConfig client;
  std::string topic;
  std::string group;  // whose commits of
  std::string input;  // this topic count
};

absl::StatusOr<std::unique_ptr<SentLog>> MakeKafkaSentLog(KafkaSentLogOptions options);

}  // namespace levada::notify
