#include "core/runtime/record_limits.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "core/base/strings.h"
#include "core/kafka/admin.h"
#include "core/kafka/producer.h"

namespace levada::runtime {
namespace {

// Kafka's own default of max.message.bytes, and room for a record's framing and headers.
constexpr int64_t kDefaultMaxMessageBytes = 1'048'588;
constexpr int64_t kFramingBytes = 8192;

}  // namespace

absl::StatusOr<std::vector<int64_t>> MaxRecordBytes(const kafka::ClientConfig& kafka,
                                                    const std::vector<std::string>& topics) {
  auto admin = kafka::Admin::Create(kafka);
  if (!admin.ok()) return admin.status();
  auto states = (*admin)->Describe(topics);
  if (!states.ok()) return states.status();
  std::vector<int64_t> limits;
  for (const std::string& name : topics) {
    const auto topic = states->find(name);
    if (topic == states->end()) {
      return absl::NotFoundError(base::StrCat("topic ", name, " does not exist"));
    }
    int64_t limit = kDefaultMaxMessageBytes;
    const auto set = topic->second.config.find("max.message.bytes");
    if (set != topic->second.config.end() && !absl::SimpleAtoi(set->second, &limit)) {
      return absl::InternalError(base::StrCat("max.message.bytes of ", name, " is ", set->second));
    }
    limits.push_back(std::min(limit, kafka::kMaxRecordBytes) - kFramingBytes);
  }
  return limits;
}

absl::StatusOr<std::optional<std::chrono::milliseconds>> TombstonesKept(
    const kafka::ClientConfig& kafka, const std::string& topic) {
  auto admin = kafka::Admin::Create(kafka);
  if (!admin.ok()) return admin.status();
  auto states = (*admin)->Describe({topic});
  if (!states.ok()) return states.status();
  const auto& config = (*states)[topic].config;
  const auto set = config.find("delete.retention.ms");
  int64_t ms = 0;
  if (set == config.end() || !absl::SimpleAtoi(set->second, &ms)) return std::nullopt;
  return std::chrono::milliseconds(ms);
}

}  // namespace levada::runtime
