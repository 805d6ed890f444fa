#include "core/http/server_session.h"

#include <array>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <exception>
#include <type_traits>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/http/gzip.h"
#include "core/http/server_message.h"

// The life of a connection:
//
//   [TLS handshake] -> idle -> head -> [100 Continue] -> body -> handler ... Answer -> write ->
//   idle
//                        ^                                                               |
//                        +------------------- keep-alive --------------------------------+
//
// A request that is refused before its body was read is answered at once; then the rest of what the
// client sends is read and thrown away for a while, since closing earlier would make the client's
// system forget the answer.
namespace levada::http::internal {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using boost::system::error_code;

constexpr std::chrono::seconds kDiscardTime{5};
constexpr uint64_t kDiscardBytes = 128 << 20;
constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kIdleBufferBytes = 8 << 10;

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

// Which answer a failed read deserves; status 0: none, the client is gone or was too slow.
ServerResponse ReadFailure(const error_code& error) {
  static const auto& http_category = make_error_code(bhttp::error::end_of_stream).category();
  if (error.category() != http_category || error == bhttp::error::end_of_stream) {
    return {.status = 0};
  }
  if (error == bhttp::error::header_limit) {
    return ServerResponse::Error(431, "the head of the request is too large");
  }
  if (error == bhttp::error::body_limit) {
    return ServerResponse::Error(413, "the body of the request is too large");
  }
  if (error == bhttp::error::partial_message) {
    return ServerResponse::Error(400, "the request ends in the middle");
  }
  return ServerResponse::Error(400, base::StrCat("not an HTTP request: ", error.message()));
}

template <typename Stream>
class HttpSession final : public Session,
                          public Responder::Connection,
                          public std::enable_shared_from_this<HttpSession<Stream>> {
 public:
  static constexpr bool kTls = !std::is_same_v<Stream, beast::tcp_stream>;

  HttpSession(asio::ip::tcp::socket socket, std::shared_ptr<ServerState> state,
              std::shared_ptr<Loop> loop)
      : state_(std::move(state)), loop_(std::move(loop)), stream_(MakeStream(std::move(socket))) {}

  // Still open only where an exception took the session away.
  ~HttpSession() override { Close(); }

  void Start() {
    loop_->sessions().insert(this);
    if (state_->stopping) return Close();
    if constexpr (kTls) {
      Tcp().expires_after(state_->options.header_timeout);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](error_code error) {
                                if (error) return self->Close();
                                self->AwaitRequest();
                              });
    } else {
      AwaitRequest();
    }
  }

  void CloseIfIdle() override {
    if (idle_) Close();
  }
  void Abort() override { Close(); }

  void Answer(ServerResponse response) override {
    if (loop_->OnThread()) return Write(std::move(response));
    loop_->Post([self = this->shared_from_this(), response = std::move(response)]() mutable {
      self->Write(std::move(response));
    });
  }

 private:
  using Parser = bhttp::request_parser<bhttp::string_body>;

  Stream MakeStream(asio::ip::tcp::socket socket) {
    if constexpr (kTls) {
      tls_ = state_->Tls();
      return Stream(std::move(socket), *tls_);
    } else {
      return Stream(std::move(socket));
    }
  }

  beast::tcp_stream& Tcp() { return beast::get_lowest_layer(stream_); }

  void AwaitRequest() {
    parser_.emplace();
    parser_->header_limit(state_->options.max_header_bytes);
    parser_->body_limit(state_->options.max_body_bytes);
    parser_->eager(true);
    head_method_ = false;
    if (buffer_.size() > 0) return ReadHead();  // pipelined
    if (buffer_.capacity() > kIdleBufferBytes) buffer_.shrink_to_fit();
    idle_ = true;
    Tcp().expires_after(state_->options.idle_timeout);
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = this->shared_from_this()](error_code error, size_t bytes) {
                              self->idle_ = false;
                              if (error) return self->Close();
                              self->buffer_.commit(bytes);
                              self->ReadHead();
                            });
  }

  void ReadHead() {
    Tcp().expires_after(state_->options.header_timeout);
    bhttp::async_read_header(stream_, buffer_, *parser_,
                             [self = this->shared_from_this()](error_code error, size_t) {
                               if (error) return self->FailRead(error);
                               self->OnHead();
                             });
  }

  void OnHead() {
    const auto& message = parser_->get();
    if (message.version() >= 11 && message.count(bhttp::field::host) != 1) {
      return Refuse(ServerResponse::Error(400, "exactly one Host header is needed"), true);
    }
    head_method_ = message.method() == bhttp::verb::head;
    request_ = ServerRequest{};
    request_.method = head_method_ ? "GET" : std::string(View(message.method_string()));
    SplitTarget(View(message.target()), &request_);
    route_ = FindRoute();
    if (route_ == nullptr) return;
    const std::string_view coding = View(message[bhttp::field::content_encoding]);
    gzip_ = EqualsIgnoreCase(coding, "gzip") || EqualsIgnoreCase(coding, "x-gzip");
    if (!gzip_ && !coding.empty() && !EqualsIgnoreCase(coding, "identity")) {
      ServerResponse response = ServerResponse::Error(
          415, base::StrCat("Content-Encoding ", coding, " is not known: use gzip or none"));
      response.headers.emplace_back("Accept-Encoding", "gzip");
      return Refuse(std::move(response));
    }
    if (const auto length = parser_->content_length(); length && !Reserve(*length)) return;
    ExpectBody(View(message[bhttp::field::expect]));
  }

  // The route of the request; without one, answers and returns null.
  const Route* FindRoute() {
    std::string allowed;
    for (const Route& route : state_->routes) {
      if (route.path != request_.path) continue;
      if (route.method == request_.method) return &route;
      base::StrAppend(&allowed, allowed.empty() ? "" : ", ", route.method,
                      route.method == "GET" ? ", HEAD" : "");
    }
    if (allowed.empty()) {
      Refuse(ServerResponse::Error(404, base::StrCat("there is nothing at ", request_.path)));
    } else {
      ServerResponse response =
          ServerResponse::Error(405, base::StrCat(request_.path, " takes ", allowed));
      response.headers.emplace_back("Allow", allowed);
      Refuse(std::move(response));
    }
    return nullptr;
  }

  void ExpectBody(std::string_view expect) {
    if (parser_->is_done() || expect.empty()) return ReadBody();
    if (!EqualsIgnoreCase(expect, "100-continue")) {
      return Refuse(ServerResponse::Error(417, base::StrCat("cannot meet Expect: ", expect)));
    }
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    Tcp().expires_after(state_->options.write_timeout);
    asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                      [self = this->shared_from_this()](error_code error, size_t) {
                        if (error) return self->Close();
                        self->ReadBody();
                      });
  }

  void ReadBody() {
    Tcp().expires_after(state_->options.body_timeout);
    ReadMore();
  }

  void ReadMore() {
    if (parser_->is_done()) return Handle();
    bhttp::async_read_some(stream_, buffer_, *parser_,
                           [self = this->shared_from_this()](error_code error, size_t) {
                             if (error) return self->FailRead(error);
                             if (!self->Reserve(self->parser_->get().body().size())) return;
                             self->ReadMore();
                           });
  }

  // Counts `bytes` of this request's body against the server's budget; answers 503 beyond it.
  bool Reserve(uint64_t bytes) {
    if (bytes <= reserved_) return true;
    const uint64_t more = bytes - reserved_;
    const uint64_t limit = state_->options.max_buffered_bytes;
    if (state_->buffered_bytes.fetch_add(more, std::memory_order_relaxed) + more > limit) {
      state_->buffered_bytes.fetch_sub(more, std::memory_order_relaxed);
      ServerResponse response =
          ServerResponse::Error(503, "too many large requests at once, send it again later");
      response.headers.emplace_back("Retry-After", "1");
      Refuse(std::move(response));
      return false;
    }
    reserved_ = bytes;
    return true;
  }

  void Release() {
    state_->buffered_bytes.fetch_sub(reserved_, std::memory_order_relaxed);
    reserved_ = 0;
  }

  void Handle() {
    auto& message = parser_->get();
    if (gzip_) {
      const absl::Status status =
          Gunzip(message.body(), state_->options.max_body_bytes, &request_.body);
      if (!status.ok()) {
        return Refuse(ServerResponse::Error(absl::IsResourceExhausted(status) ? 413 : 400,
                                            base::View(status.message())));
      }
    } else {
      request_.body = std::move(message.body());
    }
    request_.headers.reserve(16);
    for (const auto& field : message) {
      request_.headers.emplace_back(View(field.name_string()), View(field.value()));
    }
    Tcp().expires_never();
    // The handler may throw (it may call anything); its Responder then answers 500 as it is
    // dropped.
    try {
      route_->handler(std::move(request_), Responder(this->shared_from_this()));
    } catch (const std::exception& error) {
      base::LogError("a request handler threw", {{"error", error.what()}});
    }
    Release();
  }

  // Answers without a handler. `close`: what follows cannot be trusted to be a request.
  void Refuse(ServerResponse response, bool close = false) {
    response.close |= close || !parser_->is_done();
    Write(std::move(response));
  }

  void FailRead(const error_code& error) {
    ServerResponse response = ReadFailure(error);
    if (response.status == 0) return Close();
    response.close = true;
    Write(std::move(response));
  }

  void Write(ServerResponse response) {
    if (closed_) return;
    Release();
    const auto& message = parser_->get();
    keep_alive_ = !response.close && parser_->is_done() && message.keep_alive() &&
                  !state_->draining.load(std::memory_order_relaxed);
    out_head_ = ResponseHead(response, keep_alive_, message.version());
    out_body_ = head_method_ ? std::string() : std::move(response.body);
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(out_head_),
                                                    asio::buffer(out_body_)};
    Tcp().expires_after(state_->options.write_timeout);
    asio::async_write(stream_, buffers,
                      [self = this->shared_from_this()](error_code error, size_t) {
                        if (error) return self->Close();
                        if (self->keep_alive_) return self->AwaitRequest();
                        self->Finish();
                      });
  }

  // Ends the connection in good order.
  void Finish() {
    Tcp().expires_after(kDiscardTime);
    if constexpr (!kTls) {
      error_code ignored;
      Tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }
    if (!parser_->is_done()) return Discard();
    Shutdown();
  }

  void Discard() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = this->shared_from_this()](error_code error, size_t bytes) {
                              self->discarded_ += bytes;
                              if (error || self->discarded_ > kDiscardBytes)
                                return self->Shutdown();
                              self->Discard();
                            });
  }

  void Shutdown() {
    if constexpr (kTls) {
      if (!closed_) {
        stream_.async_shutdown([self = this->shared_from_this()](error_code) { self->Close(); });
        return;
      }
    }
    Close();
  }

  void Close() {
    if (closed_) return;
    closed_ = true;
    Release();
    Tcp().close();
    loop_->sessions().erase(this);
    {
      std::lock_guard lock(state_->mutex);
      --state_->connections;
    }
    state_->changed.notify_all();
    state_->on_closed();
  }

  const std::shared_ptr<ServerState> state_;
  const std::shared_ptr<Loop> loop_;
  std::shared_ptr<asio::ssl::context> tls_;  // of stream_, with TLS
  Stream stream_;
  beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  ServerRequest request_;
  const Route* route_ = nullptr;
  bool gzip_ = false;
  bool head_method_ = false;
  bool idle_ = false;
  bool closed_ = false;
  bool keep_alive_ = false;
  uint64_t reserved_ = 0;
  uint64_t discarded_ = 0;
  std::string out_head_;
  std::string out_body_;
};

}  // namespace

void StartSession(asio::ip::tcp::socket socket, std::shared_ptr<ServerState> state,
                  std::shared_ptr<Loop> loop) {
  if (state->Tls() != nullptr) {
    std::make_shared<HttpSession<beast::ssl_stream<beast::tcp_stream>>>(
        std::move(socket), std::move(state), std::move(loop))
        ->Start();
  } else {
    std::make_shared<HttpSession<beast::tcp_stream>>(std::move(socket), std::move(state),
                                                     std::move(loop))
        ->Start();
  }
}

}  // namespace levada::http::internal
