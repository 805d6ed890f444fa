#include "core/http/server.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

#include "core/base/address.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/http/server_session.h"

namespace levada::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Responder& Responder::operator=(Responder&& other) {
  if (this != &other) {
    if (connection_) Send(ServerResponse::Error(500, "the request was dropped"));
    connection_ = std::move(other.connection_);
  }
  return *this;
}

Responder::~Responder() {
  if (connection_) Send(ServerResponse::Error(500, "the request was dropped"));
}

void Responder::Send(ServerResponse response) {
  if (const auto connection = std::exchange(connection_, nullptr)) {
    connection->Answer(std::move(response));
  }
}

namespace internal {

void Loop::StartThread() {
  thread_ = std::thread([this] {
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {
        // Most likely out of memory. The session it happened in is gone, the others go on.
        base::LogError("a connection was given up", {{"error", error.what()}});
      }
    }
  });
}

void Loop::Finish() {
  {
    std::lock_guard lock(mutex_);
    finished_ = true;
  }
  guard_.reset();
  if (thread_.joinable()) thread_.join();
}

namespace {

absl::StatusOr<std::shared_ptr<asio::ssl::context>> MakeTls(const std::string& certificate,
                                                            const std::string& key) {
  auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  error_code error;
  tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv3 |
                       asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1,
                   error);
  tls->use_certificate_chain(asio::buffer(certificate), error);
  if (error) {
    return absl::InvalidArgumentError(base::StrCat("TLS certificate: ", error.message()));
  }
  tls->use_private_key(asio::buffer(key), asio::ssl::context::pem, error);
  if (error) return absl::InvalidArgumentError(base::StrCat("TLS key: ", error.message()));
  return tls;
}

class BeastServer final : public Server {
 public:
  BeastServer(const Options& options, std::vector<Route> routes)
      : state_(std::make_shared<ServerState>()) {
    state_->options = options;
    state_->routes = std::move(routes);
    for (int i = 0; i < std::max(1, options.threads); ++i) {
      loops_.push_back(std::make_shared<Loop>());
    }
    acceptor_.emplace(loops_[0]->io());
    retry_.emplace(loops_[0]->io());
    state_->on_closed = [this] { ResumeAccept(); };
  }

  ~BeastServer() override { Stop(std::chrono::milliseconds(0)); }

  absl::Status Listen() {
    const Options& options = state_->options;
    if (!options.tls_certificate.empty() || !options.tls_key.empty()) {
      absl::Status status = SetCertificate(options.tls_certificate, options.tls_key);
      if (!status.ok()) return status;
    }
    error_code error;
    const auto address = asio::ip::make_address(options.address, error);
    if (error) {
      return absl::InvalidArgumentError(base::StrCat("not an IP address: ", options.address));
    }
    const tcp::endpoint endpoint(address, options.port);
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_->local_endpoint(error).port();
    if (error) {
      return absl::UnavailableError(base::StrCat("cannot listen on ",
                                                 base::HostPort(options.address, options.port),
                                                 ": ", error.message()));
    }
    for (const auto& loop : loops_) loop->StartThread();
    loops_[0]->Post([this] { Accept(); });
    return absl::OkStatus();
  }

  uint16_t port() const override { return port_; }

  int connections() const override {
    std::lock_guard lock(state_->mutex);
    return state_->connections;
  }

  absl::Status SetCertificate(const std::string& certificate, const std::string& key) override {
    auto tls = MakeTls(certificate, key);
    if (!tls.ok()) return tls.status();
    std::lock_guard lock(state_->mutex);
    state_->tls = *std::move(tls);
    return absl::OkStatus();
  }

  void BeginDrain() override {
    state_->draining = true;
    CloseIdle();
  }

  bool Stop(std::chrono::milliseconds deadline) override {
    std::lock_guard stop_lock(stop_mutex_);
    if (stopped_) return true;
    stopped_ = true;
    state_->draining = true;
    loops_[0]->Post([this] {
      error_code ignored;
      acceptor_->close(ignored);
      retry_->cancel();
    });
    CloseIdle();
    bool drained = false;
    {
      std::unique_lock lock(state_->mutex);
      drained = state_->changed.wait_for(lock, deadline, [&] { return state_->connections == 0; });
    }
    state_->stopping = true;
    for (const auto& loop : loops_) {
      loop->Post([loop = loop.get()] {
        const auto sessions = loop->sessions();  // Abort erases
        for (Session* session : sessions) session->Abort();
      });
    }
    // The accepting loop first: it hands connections to the others.
    for (const auto& loop : loops_) loop->Finish();
    return drained;
  }

 private:
  void CloseIdle() {
    for (const auto& loop : loops_) {
      loop->Post([loop = loop.get()] {
        const auto sessions = loop->sessions();  // CloseIfIdle erases
        for (Session* session : sessions) session->CloseIfIdle();
      });
    }
  }

  // On the first loop, as all that follows.
  void Accept() {
    if (!acceptor_->is_open()) return;
    {
      std::lock_guard lock(state_->mutex);
      if (state_->connections >= state_->options.max_connections) {
        accept_paused_ = true;
        return;
      }
    }
    next_loop_ = (next_loop_ + 1) % loops_.size();
    acceptor_->async_accept(loops_[next_loop_]->io(), [this](error_code error, tcp::socket socket) {
      if (!error) Serve(std::move(socket));
      if (!acceptor_->is_open()) return;
      if (error) return AcceptLater();  // most likely out of descriptors
      Accept();
    });
  }

  void Serve(tcp::socket socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    {
      std::lock_guard lock(state_->mutex);
      ++state_->connections;
    }
    const auto loop = loops_[next_loop_];
    loop->Post([socket = std::move(socket), state = state_, loop]() mutable {
      StartSession(std::move(socket), std::move(state), std::move(loop));
    });
  }

  void AcceptLater() {
    retry_->expires_after(std::chrono::milliseconds(100));
    retry_->async_wait([this](error_code error) {
      if (!error) Accept();
    });
  }

  // From any loop: a connection ended.
  void ResumeAccept() {
    {
      std::lock_guard lock(state_->mutex);
      if (!accept_paused_) return;
      accept_paused_ = false;
    }
    loops_[0]->Post([this] { Accept(); });
  }

  const std::shared_ptr<ServerState> state_;
  std::vector<std::shared_ptr<Loop>> loops_;
  std::optional<tcp::acceptor> acceptor_;  // on the first loop, as the two below
  std::optional<asio::steady_timer> retry_;
  size_t next_loop_ = 0;
  bool accept_paused_ = false;  // under state_->mutex
  uint16_t port_ = 0;
  std::mutex stop_mutex_;
  bool stopped_ = false;
};

}  // namespace
}  // namespace internal

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options,
                                                      std::vector<Route> routes) {
  auto server = std::make_unique<internal::BeastServer>(options, std::move(routes));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

}  // namespace levada::http
