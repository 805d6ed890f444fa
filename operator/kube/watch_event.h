#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "operator/kube/object.h"

// A line of a watch:
//
//   {"type": "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK", "object": {...}}
//   {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", ...}}
//
//   absl::StatusOr<WatchEvent> event = ParseWatchLine(line, "watch deployments");
//
// Threads: pure functions.
namespace levada::kube {

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark };
  Type type = Type::kAdded;
  Json object;  // of a bookmark: with its resourceVersion only
};

// An ERROR is the status of errors.h; what is no event is kInternal.
absl::StatusOr<WatchEvent> ParseWatchLine(std::string_view line, std::string_view what);

}  // namespace levada::kube
