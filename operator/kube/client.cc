#include "operator/kube/client.h"

#include <algorithm>
#include <utility>

#include "core/base/strings.h"
#include "operator/kube/errors.h"
#include "operator/kube/watch_event.h"

namespace levada::kube {
namespace {

constexpr int kMostRestarts = 3;  // of one list
constexpr char kJson[] = "application/json";
constexpr char kMetadataList[] =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
constexpr char kMetadata[] =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// "?a=1&b=x%20y", of what has a value.
std::string Query(std::initializer_list<std::pair<std::string_view, std::string_view>> parameters) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string query;
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    base::StrAppend(&query, query.empty() ? "?" : "&", name, "=");
    for (const char c : value) {
      if (IsUnreserved(c)) {
        query.push_back(c);
      } else {
        const auto byte = static_cast<unsigned char>(c);
        query += {'%', kHex[byte >> 4], kHex[byte & 15]};
      }
    }
  }
  return query;
}

std::string DryRun(bool dry_run) { return dry_run ? "All" : ""; }

// "apply deployments/status shop/fraud-detect", "list pods in shop", "list nodes".
std::string What(std::string_view verb, const Resource& resource, const ObjectKey& key,
                 std::string_view subresource = "") {
  std::string what = base::StrCat(verb, " ", resource.plural);
  if (!subresource.empty()) base::StrAppend(&what, "/", subresource);
  if (!key.name.empty()) {
    base::StrAppend(&what, " ", key.ToText());
  } else if (!key.name_space.empty()) {
    base::StrAppend(&what, " in ", key.name_space);
  }
  return what;
}

absl::Status Annotated(const absl::Status& status, std::string_view what) {
  return absl::Status(status.code(), base::StrCat(what, ": ", base::View(status.message())));
}

// What the server leaves out in lists, or names after the form that was asked for.
void SetKind(const Resource& resource, Json* object) {
  (*object)["apiVersion"] = resource.ApiVersion();
  (*object)["kind"] = resource.kind;
}

// A page of a list, whose items are given out while it is read: a page of large objects is a tree
// of many times its size. What is returned has no items.
absl::StatusOr<Json> ParseList(const Resource& resource, std::string_view what,
                               const http::Response& page,
                               const std::function<void(Json object)>& each) {
  bool in_items = false;
  const auto on_event = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth == 1 && event == Json::parse_event_t::key) in_items = parsed == "items";
    if (depth != 2 || event != Json::parse_event_t::object_end || !in_items) return true;
    SetKind(resource, &parsed);
    each(std::move(parsed));
    return false;
  };
  Json list = Json::parse(page.body, on_event, false);
  if (!list.is_object()) {
    return absl::InternalError(base::StrCat(what, ": the answer is no JSON object"));
  }
  return list;
}

std::string BodyOf(const Resource& resource, const Json& object) {
  if (object.contains("apiVersion") && object.contains("kind")) return object.dump();
  Json whole = object;
  SetKind(resource, &whole);
  return whole.dump();
}

}  // namespace

struct Client::Call {
  std::string_view verb;
  const Resource& resource;
  std::string method;
  std::string path;  // with its query
  std::string what;  // for errors
  std::string body = "";
  std::string content_type = kJson;
  std::string accept = kJson;
  bool write = false;
};

Client::Client(std::shared_ptr<Transport> transport, Options options)
    : transport_(std::move(transport)),
      options_(std::move(options)),
      flow_(options_.requests_per_second, options_.burst, options_.clock) {}

Client::~Client() = default;

absl::StatusOr<std::chrono::milliseconds> Client::TimeFor(const Call& call) {
  if (!call.write || !options_.time_to_write) return options_.timeout;
  const auto left = options_.time_to_write();
  if (left.count() > 0) return std::min(left, options_.timeout);
  return absl::FailedPreconditionError(
      base::StrCat(call.what, ": not done: this process is not the leader"));
}

http::Request Client::RequestOf(const Call& call, std::chrono::milliseconds timeout) const {
  http::Request request{.method = call.method, .path = call.path};
  request.headers = {{"Accept", call.accept}, {"User-Agent", options_.user_agent}};
  request.body = call.body;
  request.content_type = call.content_type;
  request.timeout = timeout;
  return request;
}

void Client::WaitForTurn(const Call& call) {
  const bool lease = call.resource == kLeases;
  const auto waited =
      flow_.Acquire(lease ? FlowControl::Priority::kHigh : FlowControl::Priority::kNormal);
  if (waited > Clock::Duration::zero()) options_.probe->Throttled(waited);
}

absl::StatusOr<http::Response> Client::Send(const Call& call) {
  Clock& clock = *options_.clock;
  const Clock::Time give_up = clock.Now() + options_.patience;
  for (;;) {
    WaitForTurn(call);
    const auto timeout = TimeFor(call);
    if (!timeout.ok()) return timeout.status();
    const Clock::Time start = clock.Now();
    auto response = transport_->Send(RequestOf(call, *timeout));
    options_.probe->Request(call.verb, call.resource, response.ok() ? response->status : 0,
                            clock.Now() - start);
    if (!response.ok()) return Annotated(response.status(), call.what);
    if (response->status >= 200 && response->status < 300) return response;
    absl::Status error = ErrorOf(*response, call.what);
    const auto details = ApiErrorOf(error);
    // The election has its own times and must not wait here.
    if (!details->retry_after || call.resource == kLeases) return error;
    const Clock::Time again = clock.Now() + *details->retry_after;
    if (again > give_up) return error;
    flow_.HoldUntil(again);
  }
}

absl::StatusOr<Json> Client::SendObject(const Call& call) {
  auto response = Send(call);
  if (!response.ok()) return response.status();
  Json object = Json::parse(response->body, nullptr, false);
  if (!object.is_object()) {
    return absl::InternalError(base::StrCat(call.what, ": the answer is no JSON object"));
  }
  return object;
}

absl::StatusOr<Json> Client::Get(const Resource& resource, const ObjectKey& key) {
  return SendObject({"get", resource, "GET", resource.Path(key), What("get", resource, key)});
}

absl::StatusOr<Json> Client::GetPath(const std::string& path) {
  return SendObject({"get", {}, "GET", path, base::StrCat("get ", path)});
}

absl::StatusOr<std::string> Client::List(const Resource& resource, const ListOptions& options,
                                         const std::function<void(Json object)>& each,
                                         const std::function<void()>& restarted) {
  std::string token;
  for (int restarts = 0;;) {
    const std::string query = Query({{"limit", std::to_string(options.page)},
                                     {"continue", token},
                                     {"labelSelector", options.label_selector},
                                     {"fieldSelector", options.field_selector}});
    const Call call{"list",
                    resource,
                    "GET",
                    resource.Path({options.name_space, ""}) + query,
                    What("list", resource, {options.name_space, ""}),
                    "",
                    kJson,
                    options.metadata_only ? kMetadataList : kJson};
    auto answer = Send(call);
    const auto page = answer.ok() ? ParseList(resource, call.what, *std::move(answer), each)
                                  : absl::StatusOr<Json>(answer.status());
    if (!page.ok()) {
      if (!IsExpired(page.status()) || token.empty() || !restarted || restarts == kMostRestarts) {
        return page.status();
      }
      ++restarts;
      token.clear();
      restarted();
      continue;
    }
    token = TextAt(*page, {"metadata", "continue"});
    if (token.empty()) return ResourceVersionOf(*page);
  }
}

absl::StatusOr<std::vector<Json>> Client::List(const Resource& resource,
                                               const ListOptions& options) {
  std::vector<Json> objects;
  const auto listed = List(
      resource, options, [&](Json object) { objects.push_back(std::move(object)); },
      [&] { objects.clear(); });
  if (!listed.ok()) return listed.status();
  return objects;
}

absl::StatusOr<Json> Client::Create(const Resource& resource, const Json& object,
                                    const WriteOptions& options) {
  const ObjectKey key = KeyOf(object);
  // A subresource (a token, an eviction) is created below the object.
  const ObjectKey where{key.name_space, options.subresource.empty() ? "" : key.name};
  const std::string query =
      Query({{"fieldManager", options_.field_manager}, {"dryRun", DryRun(options.dry_run)}});
  const std::string body = options.subresource.empty() ? BodyOf(resource, object) : object.dump();
  return SendObject({"create", resource, "POST", resource.Path(where, options.subresource) + query,
                     What("create", resource, key, options.subresource), body, kJson, kJson, true});
}

absl::StatusOr<Json> Client::Update(const Resource& resource, const Json& object,
                                    const WriteOptions& options) {
  const ObjectKey key = KeyOf(object);
  const std::string query =
      Query({{"fieldManager", options_.field_manager}, {"dryRun", DryRun(options.dry_run)}});
  return SendObject({"update", resource, "PUT", resource.Path(key, options.subresource) + query,
                     What("update", resource, key, options.subresource), BodyOf(resource, object),
                     kJson, kJson, true});
}

absl::StatusOr<Json> Client::ApplyTo(const Resource& resource, const Json& object,
                                     std::string_view subresource, const ApplyOptions& options) {
  const ObjectKey key = KeyOf(object);
  const std::string& manager =
      options.field_manager.empty() ? options_.field_manager : options.field_manager;
  const std::string query = Query({{"fieldManager", manager},
                                   {"force", options.force ? "true" : ""},
                                   {"dryRun", DryRun(options.dry_run)}});
  return SendObject({"apply", resource, "PATCH", resource.Path(key, subresource) + query,
                     What("apply", resource, key, subresource), BodyOf(resource, object),
                     "application/apply-patch+yaml", kJson, true});
}

absl::StatusOr<Json> Client::Apply(const Resource& resource, const Json& object,
                                   const ApplyOptions& options) {
  return ApplyTo(resource, object, "", options);
}

absl::StatusOr<Json> Client::ApplyStatus(const Resource& resource, const Json& object,
                                         const ApplyOptions& options) {
  return ApplyTo(resource, object, "status", options);
}

absl::StatusOr<Json> Client::Patch(const Resource& resource, const ObjectKey& key, PatchType type,
                                   const Json& patch, const WriteOptions& options) {
  const std::string query =
      Query({{"fieldManager", options_.field_manager}, {"dryRun", DryRun(options.dry_run)}});
  return SendObject(
      {"patch", resource, "PATCH", resource.Path(key, options.subresource) + query,
       What("patch", resource, key, options.subresource), patch.dump(),
       type == PatchType::kMerge ? "application/merge-patch+json" : "application/json-patch+json",
       kJson, true});
}

absl::Status Client::Delete(const Resource& resource, const ObjectKey& key,
                            const DeleteOptions& options) {
  Json body = {{"apiVersion", "v1"}, {"kind", "DeleteOptions"}};
  if (!options.uid.empty()) body["preconditions"]["uid"] = options.uid;
  if (!options.resource_version.empty()) {
    body["preconditions"]["resourceVersion"] = options.resource_version;
  }
  if (options.grace_period) body["gracePeriodSeconds"] = options.grace_period->count();
  using Propagation = DeleteOptions::Propagation;
  if (options.propagation != Propagation::kDefault) {
    body["propagationPolicy"] = options.propagation == Propagation::kBackground   ? "Background"
                                : options.propagation == Propagation::kForeground ? "Foreground"
                                                                                  : "Orphan";
  }
  return Send({"delete", resource, "DELETE", resource.Path(key), What("delete", resource, key),
               body.dump(), kJson, kJson, true})
      .status();
}

absl::Status Client::Watch(const Resource& resource, const WatchOptions& options,
                           const std::function<bool(WatchEvent)>& each, std::stop_token stop) {
  const std::string query = Query({{"watch", "true"},
                                   {"allowWatchBookmarks", "true"},
                                   {"resourceVersion", options.resource_version},
                                   {"timeoutSeconds", std::to_string(options.timeout.count())},
                                   {"labelSelector", options.label_selector},
                                   {"fieldSelector", options.field_selector}});
  const ObjectKey where{options.name_space, ""};
  const Call call{"watch",
                  resource,
                  "GET",
                  resource.Path(where) + query,
                  What("watch", resource, where),
                  "",
                  kJson,
                  options.metadata_only ? kMetadata : kJson};
  WaitForTurn(call);
  absl::Status outcome;
  const auto on_line = [&](std::string_view line) {
    auto event = ParseWatchLine(line, call.what);
    if (!event.ok()) {
      outcome = event.status();
      return false;
    }
    SetKind(resource, &event->object);
    return each(*std::move(event));
  };
  const Clock::Time start = options_.clock->Now();
  const auto response =
      transport_->Stream(RequestOf(call, options_.timeout), options.idle, on_line, std::move(stop));
  options_.probe->Request(call.verb, resource, response.ok() ? response->status : 0,
                          options_.clock->Now() - start);
  if (!response.ok()) return Annotated(response.status(), call.what);
  if (response->status != 200) return ErrorOf(*response, call.what);
  return outcome;
}

absl::Status Client::Lines(const std::string& path, const std::string& what,
                           std::chrono::milliseconds idle,
                           const std::function<bool(std::string_view line)>& each,
                           std::stop_token stop) {
  const Call call{"get", {}, "GET", path, what, "", kJson, "*/*"};
  WaitForTurn(call);
  const Clock::Time start = options_.clock->Now();
  const auto response =
      transport_->Stream(RequestOf(call, options_.timeout), idle, each, std::move(stop));
  options_.probe->Request(call.verb, call.resource, response.ok() ? response->status : 0,
                          options_.clock->Now() - start);
  if (!response.ok()) return Annotated(response.status(), what);
  return response->status == 200 ? absl::OkStatus() : ErrorOf(*response, what);
}

absl::StatusOr<bool> Client::Serves(const Resource& resource) {
  const auto list =
      GetPath(base::StrCat(resource.group.empty() ? "/api/" : "/apis/", resource.ApiVersion()));
  if (!list.ok()) {
    if (absl::IsNotFound(list.status())) return false;
    return list.status();
  }
  const Json* resources = Find(*list, {"resources"});
  return resources != nullptr && resources->is_array() &&
         std::any_of(resources->begin(), resources->end(),
                     [&](const Json& one) { return TextAt(one, {"name"}) == resource.plural; });
}

absl::StatusOr<std::string> Client::ServerVersion() {
  auto version = GetPath("/version");
  if (!version.ok()) return version.status();
  return TextAt(*version, {"gitVersion"});
}

}  // namespace levada::kube
