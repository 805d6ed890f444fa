#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

// An HTTP/1.1 client of one server: https with its certificate and host name checked, client
// certificates, basic authentication, connections kept and used again.
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
// Threads: any; each call blocks until its answer or its time limit.
namespace levada::http {

struct Request {
  std::string method = "GET";
  std::string path = "/";  // below the base URL's path; with its query, percent-encoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string_view body;                          // must live until Send returns
  std::string content_type = "application/json";  // sent where there is a body
  bool gzip = false;                              // compress the body
  std::chrono::milliseconds timeout{0};           // shorter than the client's; 0: the client's
};

struct Response {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // The first header of that name (any case), or empty.
  std::string_view Header(std::string_view name) const;
};

// A line of a streamed answer, without its line break; false ends the stream.
using OnLine = std::function<bool(std::string_view line)>;

struct StreamLimits {
  std::chrono::milliseconds idle{60'000};  // without a byte
  size_t max_line_bytes = 16 << 20;
};

// Certificates and keys are PEM. Files are read for each connection: a renewed one needs no
// restart.
struct Tls {
  std::string ca_file;  // the only certificates trusted; neither: the system's
  std::string ca_pem;
  std::string certificate_file;  // with its chain
  std::string certificate_pem;
  std::string key_file;
  std::string key_pem;
  std::string server_name;   // asked for and checked in place of the URL's host
  bool skip_verify = false;  // trust anybody
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
    Tls tls;                               // `ca_file` above is the same as tls.ca_file
  };

  // kInvalidArgument: the URL, a certificate or a key cannot be used.
  static absl::StatusOr<std::unique_ptr<Client>> Create(const Options& options);
  virtual ~Client() = default;

  virtual absl::StatusOr<Response> Send(const Request& request) = 0;

  // An answer 200 without an end: its lines go to `on_line`, in the caller's thread, until the body
  // ends or `on_line` returns false. The time limit holds for its head only, then that of `limits`
  // (kDeadlineExceeded). kCancelled once `stop` is requested. An answer of another status is
  // returned as by Send, without a line. A client that cannot stream: kUnimplemented.
  virtual absl::StatusOr<Response> Stream(const Request& request, const StreamLimits& limits,
                                          const OnLine& on_line, std::stop_token stop);
};

// The bytes as one gzip member. Level 1 (fast) to 9.
std::string Gzip(std::string_view bytes, int level = 1);

}  // namespace levada::http
