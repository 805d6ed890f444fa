#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "core/base/strings.h"
#include "operator/kube/object.h"
#include "operator/kube/transport.h"

// As much of an API server as the logic of a client needs in a unit test: objects by path, created,
// read, replaced (with a check of resourceVersion), merge-patched and deleted. No watches, no
// admission, no server-side apply: for those there is a real one (label kubernetes).
//
//   auto server = std::make_shared<MemoryServer>();
//   Client client(server, {});
//
// Threads: any.
namespace levada::kube {

class MemoryServer : public Transport {
 public:
  // While it is away nothing is answered.
  void SetAway(bool away) {
    const std::lock_guard lock(mutex_);
    away_ = away;
  }
  std::map<std::string, Json> objects() const {
    const std::lock_guard lock(mutex_);
    return objects_;
  }
  void Erase(const std::string& path) {
    const std::lock_guard lock(mutex_);
    objects_.erase(path);
  }
  int requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

  absl::StatusOr<http::Response> Send(const http::Request& request) override {
    const std::lock_guard lock(mutex_);
    ++requests_;
    if (away_) return absl::UnavailableError("away");
    std::string path = request.path.substr(0, request.path.find('?'));
    Json body = request.body.empty() ? Json() : Json::parse(request.body);
    if (request.method == "POST") base::StrAppend(&path, "/", NameOf(body));
    const auto at = objects_.find(path);
    if (request.method == "POST" && at != objects_.end()) return Refuse(409, "AlreadyExists");
    if (request.method != "POST" && at == objects_.end()) return Refuse(404, "NotFound");
    if (request.method == "GET") return Answer(at->second);
    if (request.method == "DELETE") {
      const Json gone = at->second;
      objects_.erase(at);
      return Answer(gone);
    }
    if (request.method == "PATCH") {
      Json merged = at->second;
      merged.merge_patch(body);
      body = merged;
    } else if (request.method == "PUT" &&
               ResourceVersionOf(body) != ResourceVersionOf(at->second)) {
      return Refuse(409, "Conflict");
    }
    body["metadata"]["resourceVersion"] = std::to_string(++version_);
    return Answer(objects_[path] = body);
  }

  absl::StatusOr<http::Response> Stream(const http::Request&, std::chrono::milliseconds,
                                        const http::OnLine&, std::stop_token) override {
    return absl::UnimplementedError("no watches here");
  }

 private:
  static http::Response Answer(const Json& object) {
    return {.status = 200, .headers = {}, .body = object.dump()};
  }
  static http::Response Refuse(int code, std::string_view reason) {
    const Json status = {
        {"kind", "Status"}, {"code", code}, {"reason", reason}, {"message", reason}};
    return {.status = code, .headers = {}, .body = status.dump()};
  }

  mutable std::mutex mutex_;
  std::map<std::string, Json> objects_;
  int version_ = 0;
  int requests_ = 0;
  bool away_ = false;
};

}  // namespace levada::kube
