#pragma once

#include <chrono>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "core/kafka/client.h"

// Tells events from markers at the end of partitions: a transaction leaves a marker behind its
// records, and an aborted one its records too. A reader of committed data never sees them, and its
// offset stays in front of them: without a look, a group that has read everything seems to lag.
//
//   auto events = HasEvents(config, "scored", {{0, 1200}, {3, 77}}, 5s);
//   if (!events->at(0)) lag[0] = 0;
//
// Threads: any.
namespace levada::kafka {

// For each partition, whether there is an event at or behind the offset. kUnavailable: not known
// in time.
absl::StatusOr<std::map<int32_t, bool>> HasEvents(const ClientConfig& config,
                                                  const std::string& topic,
                                                  const std::map<int32_t, int64_t>& offsets,
                                                  std::chrono::milliseconds timeout);

}  // namespace levada::kafka
