#include "core/http/fetch.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <utility>

#include "absl/status/status.h"
#include "core/base/address.h"
#include "core/base/strings.h"

namespace levada::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Error = beast::error_code;
using tcp = asio::ip::tcp;

// One request; lives until `done` was called, or the io_context goes.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(asio::io_context& io, const Fetcher::Options& options, const tcp::endpoint& server,
           const std::string& path, Fetcher::Done done)
      : stream_(io), server_(server), done_(std::move(done)) {
    stream_.expires_after(options.timeout);
    parser_.body_limit(options.max_body_bytes);
    request_.method(beast::http::verb::get);
    request_.target(path);
    request_.version(11);
    request_.keep_alive(false);
    request_.set(beast::http::field::host,
                 base::HostPort(server.address().to_string(), server.port()));
  }

  void Start() {
    stream_.async_connect(server_, [self = shared_from_this()](Error error) {
      if (error) return self->Fail(error);
      self->Write();
    });
  }

 private:
  void Write() {
    beast::http::async_write(stream_, request_, [self = shared_from_this()](Error error, size_t) {
      if (error) return self->Fail(error);
      self->Read();
    });
  }

  void Read() {
    beast::http::async_read(stream_, buffer_, parser_,
                            [self = shared_from_this()](Error error, size_t) {
                              if (error) return self->Fail(error);
                              self->Finish();
                            });
  }

  void Finish() {
    auto answer = parser_.release();
    if (answer.result() != beast::http::status::ok) {
      return done_(absl::UnavailableError(base::StrCat("answered ", answer.result_int())));
    }
    done_(std::move(answer.body()));
  }

  void Fail(const Error& error) { done_(absl::UnavailableError(error.message())); }

  beast::tcp_stream stream_;
  const tcp::endpoint server_;
  const Fetcher::Done done_;
  beast::flat_buffer buffer_;
  beast::http::request<beast::http::empty_body> request_;
  beast::http::response_parser<beast::http::string_body> parser_;
};

}  // namespace

class Fetcher::Loop {
 public:
  explicit Loop(Options options) : options_(options) {}

  void Get(const std::string& address, uint16_t port, const std::string& path, Done done) {
    Error error;
    const auto ip = asio::ip::make_address(address, error);
    ++under_way_;
    auto counted = [this, done = std::move(done)](absl::StatusOr<std::string> body) {
      --under_way_;
      done(std::move(body));
    };
    if (error) {
      asio::post(io_, [counted] { counted(absl::UnavailableError("not an IP address")); });
      return;
    }
    std::make_shared<Exchange>(io_, options_, tcp::endpoint(ip, port), path, std::move(counted))
        ->Start();
  }

  void RunFor(std::chrono::milliseconds span) {
    io_.restart();
    io_.run_for(span);
  }

  size_t under_way() const { return under_way_; }

 private:
  const Options options_;
  size_t under_way_ = 0;
  asio::io_context io_;  // goes first: what is under way counts on the rest
};

Fetcher::Fetcher(Options options) : loop_(std::make_unique<Loop>(options)) {}
Fetcher::~Fetcher() = default;

void Fetcher::Get(const std::string& address, uint16_t port, const std::string& path, Done done) {
  loop_->Get(address, port, path, std::move(done));
}
void Fetcher::RunFor(std::chrono::milliseconds span) { loop_->RunFor(span); }
size_t Fetcher::under_way() const { return loop_->under_way(); }

}  // namespace levada::http
