#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

// Small GETs, many at the same time in one thread: a server that hangs costs a socket, and holds up
// nobody.
//
//   Fetcher fetcher({.timeout = 2s});
//   for (const Pod& pod : pods) {
//     fetcher.Get(pod.ip, 9600, "/status", [&](absl::StatusOr<std::string> body) { ... });
//   }
//   while (fetcher.under_way() > 0) fetcher.RunFor(100ms);
//
// Plain HTTP to an IP address, one connection a request. An answer other than 200, one that is too
// large or too late, and a connection that fails are kUnavailable.
//
// Threads: one.
namespace levada::http {

class Fetcher {
 public:
  struct Options {
    std::chrono::milliseconds timeout{2'000};  // from connecting to the last byte
    size_t max_body_bytes = 64 << 10;
  };
  using Done = std::function<void(absl::StatusOr<std::string> body)>;

  explicit Fetcher(Options options);
  ~Fetcher();  // drops what is under way: its `done` is not called

  // `done` is called by RunFor.
  void Get(const std::string& address, uint16_t port, const std::string& path, Done done);
  // Works for that long.
  void RunFor(std::chrono::milliseconds span);
  size_t under_way() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace levada::http
