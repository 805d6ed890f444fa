#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/http/client.h"
#include "operator/kube/config.h"

// One request to the API server, and its answer; the only way out of this folder. A test puts
// another Transport in its place: testing/fault_transport.h fails call number N.
//
//   auto transport = Transport::Create(*config, {});
//   auto response = (*transport)->Send({.path = "/version"});
//
// The real one speaks TLS with the client's certificate, sends the bearer token, and reads token
// and certificate files again when they change: a token once a minute and after a 401, which is
// then answered by one more attempt; certificates at each new connection.
//
// Threads: any; each call blocks its own.
namespace levada::kube {

class Transport {
 public:
  struct Options {
    std::chrono::milliseconds timeout{30'000};  // a request without its own
    size_t max_response_bytes = 64 << 20;
    size_t max_line_bytes = 16 << 20;  // of a stream
  };

  // kInvalidArgument: server, certificate or key cannot be used.
  static absl::StatusOr<std::unique_ptr<Transport>> Create(const Config& config,
                                                           const Options& options);
  virtual ~Transport() = default;

  // An answer of any HTTP status is a Response; what goes wrong on the way is kUnavailable.
  virtual absl::StatusOr<http::Response> Send(const http::Request& request) = 0;

  // An answer 200 whose body does not end: its lines, as they come, until it ends (OK), `on_line`
  // returns false (OK), nothing comes for `idle` (kDeadlineExceeded) or `stop` is requested
  // (kCancelled). Another answer is returned with its body and without calling `on_line`.
  virtual absl::StatusOr<http::Response> Stream(const http::Request& request,
                                                std::chrono::milliseconds idle,
                                                const http::OnLine& on_line,
                                                std::stop_token stop) = 0;
};

}  // namespace levada::kube
