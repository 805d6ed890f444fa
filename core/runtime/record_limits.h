#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/kafka/client.h"

namespace levada::runtime {

// The largest record that each topic takes (max.message.bytes less room for framing). NotFound for
// a topic that does not exist.
absl::StatusOr<std::vector<int64_t>> MaxRecordBytes(const kafka::ClientConfig& kafka,
                                                    const std::vector<std::string>& topics);

}  // namespace levada::runtime
