#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

// An HTTP/1.1 server whose handlers may answer later and from any thread.
//
//   http::Server::Options options;
//   options.port = 8080;
//   auto server = http::Server::Start(options, {
//       {"POST", "/v1/events", [&](http::ServerRequest request, http::Responder responder) {
//          queue.Push(std::move(request.body), std::move(responder));  // answered by the queue
//        }},
//       {"GET", "/healthz", [](http::ServerRequest, http::Responder responder) {
//          responder.Send({.body = "ok\n", .content_type = "text/plain"});
//        }},
//   });
//   ...
//   (*server)->BeginDrain();                     // every answer says `Connection: close`
//   (*server)->Stop(std::chrono::seconds(10));   // no new connections; finish what is under way
//
// What the server does by itself: 404 and 405 (with Allow), HEAD by the GET route, `Expect:
// 100-continue`, gzip request bodies, keep-alive, pipelined requests one after the other, 413 for
// what is too large (before or after decompression), 431 for too large a head, 503 when all bodies
// together are too large, 500 for a Responder that was dropped or a handler that threw. Connections
// that are too slow are closed. Its own errors are JSON: {"error":"..."}.
//
// Threads: handlers are called from the server's threads, several at a time, and must not block.
// All methods may be called from any thread except a handler's.
namespace levada::http {

struct ServerRequest {
  std::string method;  // GET where a HEAD came in
  std::string path;    // as sent, without the query
  std::string query;   // as sent, without the question mark
  std::string body;    // decompressed
  std::vector<std::pair<std::string, std::string>> headers;

  // The first header of that name (any case), or empty.
  std::string_view Header(std::string_view name) const;
  // The decoded value of a query parameter, or empty.
  std::string Parameter(std::string_view name) const;
};

struct ServerResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;  // close the connection behind this answer

  // {"error":"<message>"}
  static ServerResponse Error(int status, std::string_view message);
};

// The duty to answer one request: exactly once, from any thread. Dropped, it answers 500.
class Responder {
 public:
  class Connection {
   public:
    virtual ~Connection() = default;
    virtual void Answer(ServerResponse response) = 0;
  };

  explicit Responder(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  Responder(Responder&&) = default;
  Responder& operator=(Responder&& other);
  ~Responder();

  // A second call does nothing. An answer to a client that went away does nothing.
  void Send(ServerResponse response);

 private:
  std::shared_ptr<Connection> connection_;
};

using Handler = std::function<void(ServerRequest, Responder)>;

struct Route {
  std::string method;
  std::string path;  // matched whole
  Handler handler;
};

class Server {
 public:
  struct Options {
    std::string address = "0.0.0.0";
    uint16_t port = 0;  // 0: any free one
    int threads = 1;
    // PEM texts; both empty: plain HTTP. TLS 1.2 and later.
    std::string tls_certificate;
    std::string tls_key;

    uint32_t max_header_bytes = 16 << 10;
    uint64_t max_body_bytes = 16 << 20;       // as sent, and after decompression
    uint64_t max_buffered_bytes = 128 << 20;  // bodies of all connections together
    int max_connections = 4096;               // further ones wait in the system's queue
    // For the next request on an open connection; for its head, from the first byte, and the TLS
    // handshake; for its body; for the client to take the answer.
    std::chrono::milliseconds idle_timeout{75'000};
    std::chrono::milliseconds header_timeout{10'000};
    std::chrono::milliseconds body_timeout{60'000};
    std::chrono::milliseconds write_timeout{30'000};
  };

  // Listens when it returns. kInvalidArgument: address or certificate; kUnavailable: the port is
  // taken.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Options& options,
                                                       std::vector<Route> routes);
  // Stops without waiting.
  virtual ~Server() = default;

  virtual uint16_t port() const = 0;
  virtual int connections() const = 0;

  // What connections that begin from now on are shown, of a server that has TLS; PEM texts. Those
  // that are open go on. kInvalidArgument: they cannot be used, and nothing changes.
  virtual absl::Status SetCertificate(const std::string& certificate, const std::string& key) = 0;

  // From now on each answer says `Connection: close` and connections without a request are closed.
  // New ones are still accepted, so that a client hears a 503 and not a refused connection.
  virtual void BeginDrain() = 0;
  // Accepts nothing more, waits up to `deadline` for the requests under way and closes everything.
  // False: some were cut off.
  virtual bool Stop(std::chrono::milliseconds deadline) = 0;
};

}  // namespace levada::http
