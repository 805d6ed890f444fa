#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/http/client.h"
#include "services/indexing/bulk_response.h"

// The requests that an indexing stage makes to OpenSearch. What may go away by waiting (or by
// somebody's hand) is kUnavailable, with the server's own reason.
//
// Not thread-safe.
namespace levada::indexing {

class OpenSearch {
 public:
  // Makes a client with the credentials that are valid now; called again after a refused log-in.
  using Connect = std::function<absl::StatusOr<std::unique_ptr<http::Client>>()>;

  explicit OpenSearch(Connect connect) : connect_(std::move(connect)) {}

  // Creates or replaces the template, and brings what `mappings` adds to the indexes that exist.
  absl::Status PutTemplate(std::string_view name, const std::string& body,
                           std::string_view index_pattern, const std::string& mappings);

  // One bulk request of `items` actions. kOutOfRange: it is too large for the server;
  // kInvalidArgument: it was refused as a whole.
  absl::StatusOr<std::vector<BulkItem>> Bulk(std::string_view lines, size_t items);

 private:
  absl::StatusOr<http::Response> Send(const http::Request& request);

  Connect connect_;
  std::unique_ptr<http::Client> client_;
};

}  // namespace levada::indexing
