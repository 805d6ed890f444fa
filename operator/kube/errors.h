#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/http/client.h"
#include "operator/kube/object.h"

// What the API server says when it refuses, as absl::Status.
//
//   absl::StatusOr<Json> applied = client.Apply(kDeployments, wanted);
//   if (IsConflict(applied.status())) ...                  // somebody else owns a field
//   if (absl::IsNotFound(live.status())) ...
//   if (auto error = ApiErrorOf(applied.status())) wait = error->retry_after;
//
//   HTTP 400, 413, 415, 422  kInvalidArgument     409 AlreadyExists  kAlreadyExists
//   401  kUnauthenticated                         409 otherwise      kAborted
//   403  kPermissionDenied                        410  kOutOfRange
//   404  kNotFound                                429  kResourceExhausted
//   405, 406, 501  kUnimplemented                 504  kDeadlineExceeded
//   500  kInternal                                502, 503  kUnavailable
//
// What goes wrong on the way to the server is kUnavailable without an ApiError.
//
// Threads: pure functions.
namespace levada::kube {

struct ApiError {
  int code = 0;         // HTTP
  std::string reason;   // "NotFound", "Conflict", "Forbidden", ...; empty if the server gave none
  std::string message;  // for people
  std::optional<std::chrono::seconds> retry_after;

  struct Cause {
    std::string reason;  // "FieldManagerConflict", "FieldValueInvalid", "NamespaceTerminating"
    std::string field;   // ".spec.replicas"
    std::string message;
  };
  std::vector<Cause> causes;
};

// The error of an answer; `what` says what was tried ("apply deployments shop/fraud-detect").
// The message of a conflict between field managers names the other managers and the fields.
absl::Status ErrorOf(const http::Response& response, std::string_view what);
// The same of a Status object: the ERROR event of a watch.
absl::Status ErrorOfStatusObject(const Json& object, std::string_view what);

// nullopt: the status is OK or does not come from the API server.
std::optional<ApiError> ApiErrorOf(const absl::Status& status);

// absl::IsNotFound and absl::IsAlreadyExists say what they should; these need more than the code.
bool IsConflict(const absl::Status& status);  // resourceVersion, precondition or field manager
bool IsExpired(const absl::Status& status);   // a resourceVersion or continue token is too old
bool IsForbidden(const absl::Status& status);
// The namespace is being deleted: nothing can be created in it any more.
bool IsNamespaceTerminating(const absl::Status& status);

}  // namespace levada::kube
