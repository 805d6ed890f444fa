#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "core/kafka/client.h"
#include "core/record/record.h"

// Reads a small topic (a table, a log of positions) from its beginning to where it ends now.
//
//   absl::Status status = ReadSnapshot(config, "levada.default.fraud.file.positions", 30s, [&](const Record& r) {
//     positions[std::string(r.key)] = std::string(r.value);
//   });
//
// Only what is committed; partitions one by one in the order of their offsets. Records of a
// transaction that is still open, and what lies behind it, are not seen: whoever fences the writer
// first (Producer::InitTransactions) sees everything.
//
// Threads: any.
namespace levada::kafka {

// The record's views end with the call. kNotFound: no such topic; kUnavailable: not done in time.
absl::Status ReadSnapshot(const ClientConfig& config, const std::string& topic,
                          std::chrono::milliseconds timeout,
                          const std::function<void(const Record&)>& visit);

}  // namespace levada::kafka
