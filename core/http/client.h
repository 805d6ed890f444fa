#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

// An HTTP/1.1 client of one server: https with its certificate and host name checked, basic
// authentication, connections kept and used again.
//
//   auto client = http::Client::Create({.base_url = "https://search:9200", .ca_file = "ca.pem"});
//   auto response = (*client)->Send({.method = "POST", .path = "/_bulk", .body = lines,
//                                    .gzip = true});
//   if (response.ok() && response->status == 200) ...
//
// An answer of any status is a Response; redirects are not followed. What goes wrong on the way is
// kUnavailable, "host:port: reason". A request whose connection was closed before the first byte of
// an answer may be sent a second time, when the connection had been kept from an earlier request.
//
// Threads: Send from any, each call blocks until its answer or its time limit.
namespace levada::http {

struct Request {
  std::string method = "GET";
  std::string path = "/";  // below the base URL's path; with its query, percent-encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;                          // must live until Send returns
  std::string content_type = "application/json";  // sent where there is a body
  bool gzip = false;                              // compress the body
};

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // The first header of that name (any case), or empty.
  std::string_view Header(std::string_view name) const;
};

class Client {
 public:
  struct Options {
    std::string base_url;  // http:// or https://, host, port, path
    // For a whole request, from connecting to the last byte of the answer.
    std::chrono::milliseconds timeout{30'000};
    std::string ca_file;  // PEM; the only certificates trusted. Empty: the system's
    std::string user;     // empty: no authentication
    std::string password;
    size_t max_response_bytes = 64 << 20;  // a larger answer is kUnavailable
  };

  // kInvalidArgument: the URL or the CA file cannot be used.
  static absl::StatusOr<std::unique_ptr<Client>> Create(const Options& options);
  virtual ~Client() = default;

  virtual absl::StatusOr<Response> Send(const Request& request) = 0;
};

// The bytes as one gzip member. Level 1 (fast) to 9.
std::string Gzip(std::string_view bytes, int level = 1);

}  // namespace levada::http
