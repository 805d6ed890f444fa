#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/strings.h"
#include "core/http/server.h"

// What the server's tests share: a client that sends bytes as they are, and a server with routes
// that answer at once, later, wrongly and never.
namespace levada::http {

class RawClient {
 public:
  explicit RawClient(uint16_t port) : socket_(io_) {
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port});
    timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }

  // False once the server has closed the connection.
  bool Send(std::string_view bytes) {
    boost::system::error_code error;
    boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), error);
    return !error;
  }

  // One response: head and Content-Length bytes of body. Empty when the connection is closed.
  std::string ReadResponse(bool head_only = false) {
    size_t head_end;
    while ((head_end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return std::exchange(pending_, "");
    }
    size_t size = head_end + 4;
    const size_t length = pending_.find("Content-Length: ");
    if (!head_only && length < head_end) size += std::stoul(pending_.substr(length + 16));
    while (pending_.size() < size) {
      if (!Fill()) return std::exchange(pending_, "");
    }
    std::string response = pending_.substr(0, size);
    pending_.erase(0, size);
    return response;
  }

  std::string Call(std::string_view request) {
    Send(request);
    return ReadResponse();
  }

  void CloseSending() { socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send); }

  bool Closed() { return pending_.empty() && !Fill(); }

 private:
  // Blocking; false at the end of the stream (a time-out shows as neither).
  bool Fill() {
    char bytes[4096];
    const ssize_t got = recv(socket_.native_handle(), bytes, sizeof bytes, 0);
    EXPECT_FALSE(got < 0 && errno == EAGAIN) << "nothing came within 10 s";
    if (got <= 0) return false;
    pending_.append(bytes, got);
    return true;
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  std::string pending_;
};

inline std::string Post(std::string_view path, std::string_view body,
                        std::string_view headers = "") {
  return base::StrCat("POST ", path, " HTTP/1.1\r\nHost: test\r\n", headers,
                      "Content-Length: ", body.size(), "\r\n\r\n", body);
}

inline void Echo(ServerRequest request, Responder responder) {
  responder.Send({.body = std::move(request.body), .content_type = "text/plain"});
}

class ServerTest : public testing::Test {
 protected:
  void Start(Server::Options options = {}) {
    options.address = "127.0.0.1";
    auto server = Server::Start(
        options, {
                     {"POST", "/echo", Echo},
                     {"GET", "/hello",
                      [](ServerRequest request, Responder responder) {
                        responder.Send({.body = "hello " + request.Parameter("name")});
                      }},
                     {"GET", "/dropped", [](ServerRequest, Responder) {}},
                     {"GET", "/throws",
                      [](ServerRequest, Responder) -> void { throw std::runtime_error("no"); }},
                     {"POST", "/later",
                      [this](ServerRequest, Responder responder) {
                        std::lock_guard lock(mutex_);
                        waiting_.push_back(std::move(responder));
                        arrived_.notify_all();
                      }},
                 });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // The responder of the next request to /later.
  Responder TakeWaiting() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        arrived_.wait_for(lock, std::chrono::seconds(10), [&] { return !waiting_.empty(); }));
    Responder responder = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    return responder;
  }

  bool WaitForConnections(int count) {
    for (int i = 0; i < 1000; ++i) {
      if (server_->connections() == count) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Responder> waiting_;
  std::unique_ptr<Server> server_;
};

}  // namespace levada::http
