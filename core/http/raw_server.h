#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

// A server for tests of clients that says what the test wants, byte by byte.
//
//   RawServer server([](const std::string& request) { return Ok("fine"); });
//   Client::Create({.base_url = server.Url()});
//
// Threads: the functions that it is given are called from its own.
namespace levada::http {

// Answers each request with the bytes that `answer` makes of it; no bytes: the connection is
// closed. With a certificate it speaks TLS; with `client_ca` it wants one of its clients too.
class RawServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  // Sends more of the answer; false once the client has gone.
  using Send = std::function<bool(const std::string& bytes)>;
  using Feed = std::function<void(const Send& send)>;

  explicit RawServer(Answer answer, const std::string& certificate = "",
                     const std::string& key = "", const std::string& client_ca = "")
      : answer_(std::move(answer)) {
    signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to connections that the client has closed
    if (!certificate.empty()) {
      tls_ = SSL_CTX_new(TLS_server_method());
      EXPECT_EQ(SSL_CTX_use_certificate_file(tls_, certificate.c_str(), SSL_FILETYPE_PEM), 1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey_file(tls_, key.c_str(), SSL_FILETYPE_PEM), 1);
      if (!client_ca.empty()) {
        EXPECT_EQ(SSL_CTX_load_verify_locations(tls_, client_ca.c_str(), nullptr), 1);
        SSL_CTX_set_verify(tls_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      }
    }
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listen(listener_, 8);
    acceptor_ = std::thread([this] { AcceptAll(); });
  }

  ~RawServer() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int connection : open_) shutdown(connection, SHUT_RDWR);
    }
    for (std::thread& worker : workers_) worker.join();
    close(listener_);
    SSL_CTX_free(tls_);
  }

  std::string Url(const std::string& scheme = "http", const std::string& host = "127.0.0.1") const {
    return scheme + "://" + host + ":" + std::to_string(port_);
  }
  int connections() const { return connections_; }

  // After each answer, before the next request. Set before the first one.
  Feed feed;

 private:
  void AcceptAll() {
    for (;;) {
      const int connection = accept(listener_, nullptr, nullptr);
      if (connection < 0) return;
      ++connections_;
      const std::lock_guard lock(mutex_);
      open_.insert(connection);
      workers_.emplace_back([this, connection] { Run(connection); });
    }
  }

  void Run(int connection) {
    SSL* session = nullptr;
    if (tls_ != nullptr) {
      session = SSL_new(tls_);
      SSL_set_fd(session, connection);
    }
    if (session == nullptr || SSL_accept(session) == 1) Serve(connection, session);
    SSL_free(session);
    const std::lock_guard lock(mutex_);
    open_.erase(connection);
    close(connection);
  }

  void Serve(int connection, SSL* session) {
    std::string bytes;
    char chunk[4096];
    for (;;) {
      const int n = session != nullptr ? SSL_read(session, chunk, sizeof chunk)
                                       : static_cast<int>(read(connection, chunk, sizeof chunk));
      if (n <= 0) return;
      bytes.append(chunk, n);
      const size_t head = bytes.find("\r\n\r\n");
      if (head == std::string::npos) continue;
      const size_t at = bytes.find("Content-Length:");
      const size_t length = at < head ? std::stoul(bytes.substr(at + 15)) : 0;
      if (bytes.size() < head + 4 + length) continue;
      const std::string reply = answer_(bytes);
      bytes.clear();
      if (reply.empty()) return;
      const Send send_more = [&](const std::string& more) {
        const int size = static_cast<int>(more.size());
        return session != nullptr ? SSL_write(session, more.data(), size) > 0
                                  : send(connection, more.data(), more.size(), MSG_NOSIGNAL) > 0;
      };
      send_more(reply);
      if (feed) feed(send_more);
      if (reply.find("Connection: close") != std::string::npos) return;
    }
  }

  Answer answer_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1;
  std::atomic<int> connections_ = 0;
  uint16_t port_ = 0;
  std::thread acceptor_;
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::thread> workers_;
};

inline std::string Ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nX-Seen: yes\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

}  // namespace levada::http
