#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/kafka/client.h"
#include "core/record/record.h"

// Reads a small topic (a table, a log of positions) from its beginning to where it ends now.
//
//   absl::Status status = ReadSnapshot(config, "levada.default.fraud.file.positions", 30s,
//   [&](const Record& r) {
//     positions[std::string(r.key)] = std::string(r.value);
//   });
//
// Only what is committed; partitions one by one in the order of their offsets. Records of a
// transaction that is still open, and what lies behind it, are not seen: whoever fences the writer
// first (Producer::InitTransactions) sees everything. Where others write too, kWithOpen waits for
// the transactions that are open when it comes to them.
//
// Threads: any.
namespace levada::kafka {

enum class SnapshotEnd { kCommitted, kWithOpen };

// The record's views end with the call. kNotFound: no such topic; kUnavailable: not done in time,
// or a transaction stays open.
absl::Status ReadSnapshot(const ClientConfig& config, const std::string& topic,
                          std::chrono::milliseconds timeout,
                          const std::function<void(const Record&)>& visit,
                          SnapshotEnd end = SnapshotEnd::kCommitted);

// Appends the headers of a record that is being visited, in order.
void ReadSnapshotHeaders(const Record& record, std::vector<Header>* headers);

}  // namespace levada::kafka
