#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/kafka/client.h"

namespace levada::runtime {

// The largest record that each topic takes (max.message.bytes less room for framing). NotFound for
// a topic that does not exist.
absl::StatusOr<std::vector<int64_t>> MaxRecordBytes(const kafka::ClientConfig& kafka,
                                                    const std::vector<std::string>& topics);

// How long a compacted topic keeps tombstones (delete.retention.ms); none where that is not set for
// the topic itself.
absl::StatusOr<std::optional<std::chrono::milliseconds>> TombstonesKept(
    const kafka::ClientConfig& kafka, const std::string& topic);

}  // namespace levada::runtime
