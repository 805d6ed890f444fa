#pragma once

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/http/server.h"

// Inside of the server: one event loop a thread, and a session for each connection. A session lives
// on one loop and touches nothing of another one; only Answer() comes from outside.
namespace levada::http::internal {

class Session {
 public:
  virtual ~Session() = default;
  virtual void CloseIfIdle() = 0;
  virtual void Abort() = 0;
};

class Loop {
 public:
  Loop() : io_(1), guard_(io_.get_executor()) {}

  void StartThread();
  // Runs what was posted, then ends the thread: sessions must have been aborted.
  void Finish();
  // False after Finish(): nobody would run it.
  template <typename Function>
  bool Post(Function&& function) {
    std::lock_guard lock(mutex_);
    if (finished_) return false;
    boost::asio::post(io_, std::forward<Function>(function));
    return true;
  }
  bool OnThread() const { return io_.get_executor().running_in_this_thread(); }

  boost::asio::io_context& io() { return io_; }
  std::unordered_set<Session*>& sessions() { return sessions_; }  // on the loop's thread only

 private:
  mutable boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::mutex mutex_;
  bool finished_ = false;
  std::unordered_set<Session*> sessions_;
  std::thread thread_;
};

// What all sessions of a server share.
struct ServerState {
  Server::Options options;
  std::vector<Route> routes;
  // A connection keeps that with which it began. nullptr: plain HTTP.
  std::shared_ptr<boost::asio::ssl::context> Tls() {
    std::lock_guard lock(mutex);
    return tls;
  }
  std::shared_ptr<boost::asio::ssl::context> tls;  // under the mutex
  std::atomic<bool> draining{false};               // close connections behind their answer
  std::atomic<bool> stopping{false};               // close connections
  std::atomic<uint64_t> buffered_bytes{0};

  // Also of the count of open connections, and who waits for it to change.
  std::mutex mutex;
  std::condition_variable changed;
  int connections = 0;
  std::function<void()> on_closed;  // without the mutex held
};

// Serves a connection until it ends. The caller has counted it in `state->connections`.
void StartSession(boost::asio::ip::tcp::socket socket, std::shared_ptr<ServerState> state,
                  std::shared_ptr<Loop> loop);

}  // namespace levada::http::internal
