#include "services/indexing/opensearch.h"

#include "core/base/log.h"
#include "core/base/strings.h"

namespace levada::indexing {
namespace {

// Below this a request is sent as it is: compressing would not pay.
constexpr size_t kGzipFrom = 1024;
constexpr std::string_view kBulkPath =
    "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,"
    "items.*.error.caused_by.reason";

std::string Says(const http::Response& response) {
  return base::StrCat("OpenSearch answers ", response.status, ": ", ErrorReason(response.body));
}

}  // namespace

absl::StatusOr<http::Response> OpenSearch::Send(const http::Request& request) {
  if (client_ == nullptr) {
    auto client = connect_();
    if (!client.ok()) return client.status();
    client_ = *std::move(client);
  }
  auto response = client_->Send(request);
  if (!response.ok()) return response;
  if (response->status == 401 || response->status == 403) {
    client_.reset();  // the secret may have been renewed: it is read again
    return absl::UnavailableError(base::StrCat(
        response->status == 401 ? "the log-in is refused; " : "the user has not the right; ",
        Says(*response)));
  }
  return response;
}

absl::Status OpenSearch::PutTemplate(std::string_view name, const std::string& body,
                                     std::string_view index_pattern, const std::string& mappings) {
  auto put = Send({.method = "PUT", .path = base::StrCat("/_index_template/", name), .body = body});
  if (!put.ok()) return put.status();
  if (put->status != 200) {
    return absl::UnavailableError(base::StrCat("index template ", name, ": ", Says(*put)));
  }
  auto mapped = Send({.method = "PUT",
                      .path = base::StrCat("/", index_pattern, "/_mapping?ignore_unavailable=true"),
                      .body = mappings});
  if (!mapped.ok()) return mapped.status();
  if (mapped->status >= 500 || mapped->status == 429) return absl::UnavailableError(Says(*mapped));
  if (mapped->status == 400) {
    // A type cannot be changed in an index that has it already. New indexes get the new one; what
    // does not fit the old one is refused document by document.
    base::LogWarn("indexes that exist keep their mapping",
                  {{"indexes", index_pattern}, {"reason", Says(*mapped)}});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<BulkItem>> OpenSearch::Bulk(std::string_view lines, size_t items) {
  auto response = Send({.method = "POST",
                        .path = std::string(kBulkPath),
                        .body = lines,
                        .content_type = "application/x-ndjson",
                        .gzip = lines.size() >= kGzipFrom});
  if (!response.ok()) return response.status();
  if (response->status == 200) return ParseBulkResponse(response->body, items);
  if (response->status == 413) return absl::OutOfRangeError(Says(*response));
  if (response->status == 400) return absl::InvalidArgumentError(Says(*response));
  return absl::UnavailableError(Says(*response));
}

}  // namespace levada::indexing
