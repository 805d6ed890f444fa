// What the API server would store, and what it would be asked to write.

#include "cli/plan/changes.h"
#include "core/base/strings.h"
#include "operator/kube/errors.h"

namespace levada::cli {

using kube::Json;

namespace {

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

// Who has applied it on the server's side; empty: nobody.
std::string ApplyManager(const Json& live) {
  const Json* entries = kube::Find(live, {"metadata", "managedFields"});
  if (entries == nullptr || !entries->is_array()) return "";
  for (const Json& entry : *entries) {
    if (kube::TextAt(entry, {"operation"}) == "Apply" &&
        kube::TextAt(entry, {"subresource"}).empty() &&
        kube::Find(entry, {"fieldsV1", "f:spec"}) != nullptr) {
      return kube::TextAt(entry, {"manager"});
    }
  }
  return "";
}

absl::StatusOr<Json> DryRun(kube::Client& client, const Json* live, const Json& manifest) {
  if (live == nullptr) return client.Create(kube::kPipelines, manifest, {.dry_run = true});
  const std::string last = kube::AnnotationOf(*live, kLastApplied);
  const std::string manager = ApplyManager(*live);
  if (manager.empty() && !last.empty()) {
    const Json patch = ThreeWayPatch(Json::parse(last, nullptr, false), manifest);
    return client.Patch(kube::kPipelines, kube::KeyOf(*live), kube::PatchType::kMerge, patch,
                        {.dry_run = true});
  }
  return client.Apply(
      kube::kPipelines, manifest,
      {.force = true, .dry_run = true, .field_manager = manager.empty() ? "kubectl" : manager});
}

}  // namespace

Json ThreeWayPatch(const Json& last, const Json& manifest) {
  Json patch = manifest;
  if (!last.is_object() || !patch.is_object()) return patch;
  for (const auto& [name, value] : last.items()) {
    const auto now = patch.find(name);
    if (now == patch.end()) {
      patch[name] = nullptr;
    } else if (now->is_object() && value.is_object()) {
      *now = ThreeWayPatch(value, *now);
    }
  }
  return patch;
}

absl::StatusOr<Json> AfterApply(const Cluster& cluster, const Json* live, const Json& manifest,
                                std::vector<std::string>* notes) {
  auto after = DryRun(*cluster.client, live, manifest);
  if (after.ok() || !kube::IsForbidden(after.status())) {
    return after.ok() ? after : Explained(after.status(), cluster.name_space);
  }
  notes->push_back(
      base::StrCat("this user may not write pipelines in namespace ", cluster.name_space,
                   ": the manifest is taken as it stands, and an apply would be refused"));
  Json assumed = live == nullptr ? manifest : *live;
  assumed["spec"] = manifest["spec"];
  return assumed;
}

absl::StatusOr<http::Response> KeepingTransport::Send(const http::Request& request) {
  if (request.method == "GET") return real_->Send(request);
  const std::string path = request.path.substr(0, request.path.find('?'));
  Json body = Json::parse(request.body, nullptr, false);
  if (body.is_discarded()) body = Json::object();
  // As the API server: what is made from an old view, or from none, is refused.
  if (const std::string version = kube::ResourceVersionOf(body);
      request.method == "PATCH" && !version.empty()) {
    http::Request get = request;
    get.method = "GET";
    get.path = path;
    get.body = {};
    const auto live = real_->Send(get);
    if (!live.ok()) return live;
    if (live->status == 200 &&
        kube::ResourceVersionOf(Json::parse(live->body, nullptr, false)) != version) {
      const Json refused = {{"kind", "Status"},
                            {"status", "Failure"},
                            {"reason", "Conflict"},
                            {"code", 409},
                            {"message", "the object has been modified"}};
      return http::Response{.status = 409, .body = refused.dump()};
    }
  }
  http::Response response{.status = 200, .body = body.dump()};
  writes_.push_back({request.method, path, std::move(body)});
  return response;
}

absl::StatusOr<http::Response> KeepingTransport::Stream(const http::Request& request,
                                                        std::chrono::milliseconds idle,
                                                        const http::OnLine& on_line,
                                                        std::stop_token stop) {
  return real_->Stream(request, idle, on_line, std::move(stop));
}

}  // namespace levada::cli
