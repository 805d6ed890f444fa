#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// What OpenSearch answers to a bulk request, item by item.
//
//   status                                             what it means
//   2xx                                                written
//   404 of a delete                                    it was not there: written
//   409                                                the index has this version or a newer one
//   429, 5xx, and the errors of the index or cluster   send it again
//     (read-only, closed, absent, no right, too many shards)
//   anything else                                      the document is refused, for good
//
// Thread-safety: pure functions.
namespace levada::indexing {

enum class ItemOutcome { kWritten, kStale, kRetry, kRefused };

struct BulkItem {
  ItemOutcome outcome = ItemOutcome::kWritten;
  std::string reason;  // of kRetry and kRefused: "type: reason", as the server says it
};

// One entry an item, in order; no entries where all `items` were written. Unavailable: the answer
// cannot be understood or is not about `items` items.
absl::StatusOr<std::vector<BulkItem>> ParseBulkResponse(std::string_view body, size_t items);

// The reason in the body of an error answer ({"error":{"type":...,"reason":...}} or a text), cut to
// a line.
std::string ErrorReason(std::string_view body);

}  // namespace levada::indexing
