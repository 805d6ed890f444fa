#include "operator/kube/errors.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "core/base/strings.h"

namespace levada::kube {
namespace {

constexpr char kPayload[] = "levada.dev/kube.ApiError";
constexpr size_t kLongestText = 300;  // of an answer that is no Status object

absl::StatusCode CodeOf(int http, std::string_view reason) {
  switch (http) {
    case 400:
    case 413:
    case 415:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 405:
    case 406:
    case 501:
      return absl::StatusCode::kUnimplemented;
    case 409:
      return reason == "AlreadyExists" ? absl::StatusCode::kAlreadyExists
                                       : absl::StatusCode::kAborted;
    case 410:
      return absl::StatusCode::kOutOfRange;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 502:
    case 503:
      return absl::StatusCode::kUnavailable;
    case 504:
      return absl::StatusCode::kDeadlineExceeded;
    default:
      return absl::StatusCode::kInternal;
  }
}

// The server's own message lists several conflicts over several lines.
std::string ConflictMessage(const ApiError& error) {
  std::map<std::string, std::string> fields_of;
  for (const ApiError::Cause& cause : error.causes) {
    if (cause.reason != "FieldManagerConflict") continue;
    std::string& fields = fields_of[cause.message];
    base::StrAppend(&fields, fields.empty() ? "" : ", ", cause.field);
  }
  std::string message;
  for (const auto& [manager, fields] : fields_of) {
    base::StrAppend(&message, message.empty() ? "" : "; ", manager, ": ", fields);
  }
  return message;
}

ApiError FromJson(const Json& status) {
  ApiError error{.code = static_cast<int>(IntAt(status, {"code"})),
                 .reason = TextAt(status, {"reason"}),
                 .message = TextAt(status, {"message"})};
  const int64_t seconds = IntAt(status, {"details", "retryAfterSeconds"});
  if (seconds > 0) error.retry_after = std::chrono::seconds(std::min<int64_t>(seconds, 86'400));
  const Json* causes = Find(status, {"details", "causes"});
  if (causes == nullptr || !causes->is_array()) return error;
  for (const Json& cause : *causes) {
    error.causes.push_back(
        {TextAt(cause, {"reason"}), TextAt(cause, {"field"}), TextAt(cause, {"message"})});
  }
  return error;
}

std::string ToPayload(const ApiError& error) {
  Json json = {{"code", error.code}, {"reason", error.reason}, {"message", error.message}};
  Json& details = json["details"] = Json::object();
  if (error.retry_after) details["retryAfterSeconds"] = error.retry_after->count();
  for (const ApiError::Cause& cause : error.causes) {
    details["causes"].push_back(
        {{"reason", cause.reason}, {"field", cause.field}, {"message", cause.message}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::Status ToStatus(const ApiError& error, std::string_view what) {
  const std::string conflict = ConflictMessage(error);
  const std::string message = base::StrCat(
      what, ": ", conflict.empty() ? error.message : conflict,
      error.message.empty() ? base::StrCat("HTTP ", error.code, " ", error.reason) : "");
  absl::Status status(CodeOf(error.code, error.reason), message);
  status.SetPayload(kPayload, absl::Cord(ToPayload(error)));
  return status;
}

bool HasReason(const absl::Status& status, int code, std::string_view reason) {
  const auto error = ApiErrorOf(status);
  return error && error->code == code && (reason.empty() || error->reason == reason);
}

}  // namespace

absl::Status ErrorOf(const http::Response& response, std::string_view what) {
  const Json body = Json::parse(response.body, nullptr, false);
  ApiError error;
  if (TextAt(body, {"kind"}) == "Status") {
    error = FromJson(body);
  } else {
    error.message = base::StrCat("HTTP ", response.status, " ",
                                 std::string_view(response.body).substr(0, kLongestText));
  }
  error.code = response.status;
  int64_t seconds = 0;
  if (absl::SimpleAtoi(base::AbslView(response.Header("Retry-After")), &seconds) && seconds >= 0) {
    error.retry_after = std::chrono::seconds(std::min<int64_t>(seconds, 86'400));
  }
  return ToStatus(error, what);
}

absl::Status ErrorOfStatusObject(const Json& object, std::string_view what) {
  ApiError error = FromJson(object);
  if (error.code == 0) error.code = 500;
  return ToStatus(error, what);
}

std::optional<ApiError> ApiErrorOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload) return std::nullopt;
  return FromJson(Json::parse(std::string(*payload), nullptr, false));
}

bool IsConflict(const absl::Status& status) {
  return HasReason(status, 409, "") && !absl::IsAlreadyExists(status);
}
bool IsExpired(const absl::Status& status) { return HasReason(status, 410, ""); }
bool IsForbidden(const absl::Status& status) { return HasReason(status, 403, ""); }

bool IsNamespaceTerminating(const absl::Status& status) {
  const auto error = ApiErrorOf(status);
  return error && std::any_of(error->causes.begin(), error->causes.end(), [](const auto& cause) {
           return cause.reason == "NamespaceTerminating";
         });
}

}  // namespace levada::kube
