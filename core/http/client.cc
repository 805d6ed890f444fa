#include "core/http/client.h"

#define _TURN_OFF_PLATFORM_STRING
#include <cpprest/http_client.h>
#include <cpprest/rawptrstream.h>
#include <netinet/tcp.h>
#include <pplx/threadpool.h>
#include <sys/socket.h>
#include <zlib.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "core/base/strings.h"
#include "core/http/client_tls.h"
#include "core/http/lines.h"

namespace levada::http {
namespace {

namespace ssl = boost::asio::ssl;
using web::http::http_request;
using web::http::http_response;
using Clock = std::chrono::steady_clock;

constexpr size_t kReadStep = 64 << 10;
// The library's threads only move bytes; its default of 40 costs memory for nothing.
constexpr size_t kThreads = 2;
constexpr std::chrono::hours kNever{24 * 365};

void LimitThreads() {
  static std::once_flag once;
  std::call_once(once, [] {
    try {
      crossplat::threadpool::initialize_with_threads(kThreads);
    } catch (const std::exception&) {
      // Somebody else has started the pool already: it works with any number.
    }
  });
}

// Waits for a task; false once the deadline has passed or `stop` is requested.
template <typename T>
bool Await(const pplx::task<T>& task, Clock::time_point deadline, std::stop_token stop = {}) {
  struct State {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool done = false;
  };
  auto state = std::make_shared<State>();
  task.then([state](const pplx::task<T>& done) {
    try {
      done.wait();
    } catch (const std::exception&) {
      // Looked at here, because nobody may once we have stopped waiting, and the library ends the
      // process over an exception that was not looked at. Who still waits gets it from the task.
    }
    const std::lock_guard lock(state->mutex);
    state->done = true;
    state->changed.notify_all();
  });
  std::unique_lock lock(state->mutex);
  return state->changed.wait_until(lock, std::move(stop), deadline, [&] { return state->done; });
}

// A server that vanishes without a word (a node that dies, a firewall that forgets) is noticed
// within half a minute, even on a connection on which there is nothing to send.
void WatchConnection(boost::asio::ip::tcp::socket& socket) {
  const auto set = [&](int level, int option, int value) {
    setsockopt(socket.native_handle(), level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 15);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
}

std::string Explain(std::string_view what) {
  while (!what.empty() && (what.back() == '.' || what.back() == ' ')) what.remove_suffix(1);
  if (absl::StrContains(base::AbslView(what), "SSL handshake")) {
    return base::StrCat("TLS handshake failed (", what,
                        "): is its certificate trusted, valid now and made for this host name?");
  }
  return std::string(what);
}

bool IsHeaderText(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

class CpprestClient : public Client {
 public:
  CpprestClient(const Options& options, const web::uri& base)
      : options_(options),
        address_(base::StrCat(base.host(), ":",
                              base.port() > 0            ? base.port()
                              : base.scheme() == "https" ? 443
                                                         : 80)),
        client_(base, MakeConfig(options, options.timeout)),
        // Its limits are ours: the library's would end a stream on which nothing happens.
        streaming_(base, MakeConfig(options, kNever)) {
    if (!options.user.empty()) {
      authorization_ = "Basic " + absl::Base64Escape(options.user + ":" + options.password);
    }
  }

  absl::StatusOr<Response> Send(const Request& request) override {
    const auto deadline = Deadline(request);
    pplx::cancellation_token_source cancel;
    return Catch(request, [&]() -> absl::StatusOr<Response> {
      const std::string compressed = request.gzip ? Gzip(request.body) : std::string();
      auto message = MakeMessage(request, request.gzip ? compressed : request.body);
      if (!message.ok()) return message.status();
      auto answer = client_.request(*message, cancel.get_token());
      if (!Await(answer, deadline)) return TimedOut(request, cancel, answer);
      return ReadWhole(request, answer.get(), deadline, cancel);
    });
  }

  absl::StatusOr<Response> Stream(const Request& request, const StreamLimits& limits,
                                  const OnLine& on_line, std::stop_token stop) override {
    const auto deadline = Deadline(request);
    // Closes the connection however the stream ends.
    pplx::cancellation_token_source cancel;
    const auto close = absl::MakeCleanup([&] { cancel.cancel(); });
    return Catch(request, [&]() -> absl::StatusOr<Response> {
      auto message = MakeMessage(request, request.body);
      if (!message.ok()) return message.status();
      auto answer = streaming_.request(*message, cancel.get_token());
      if (!Await(answer, deadline, stop)) {
        if (!stop.stop_requested()) return TimedOut(request, cancel, answer);
        return Stopped(cancel, answer);
      }
      const http_response head = answer.get();
      if (head.status_code() != 200) return ReadWhole(request, head, deadline, cancel);
      const absl::Status read = ReadLines(head, limits, on_line, stop);
      if (!read.ok()) return read;
      return MakeResponse(head);
    });
  }

 private:
  using HttpConfig = web::http::client::http_client_config;

  static HttpConfig MakeConfig(const Options& options, std::chrono::milliseconds inactivity) {
    HttpConfig config;
    config.set_timeout(inactivity);
    config.set_max_redirects(0);
    config.set_validate_certificates(!options.tls.skip_verify);
    config.set_ssl_context_callback(
        [tls = options.tls](ssl::context& context) { ConfigureTls(tls, &context); });
    const bool secure = options.base_url.starts_with("https");
    config.set_nativehandle_options([secure](web::http::client::native_handle handle) {
      using boost::asio::ip::tcp;
      WatchConnection(secure ? static_cast<ssl::stream<tcp::socket&>*>(handle)->next_layer()
                             : *static_cast<tcp::socket*>(handle));
    });
    return config;
  }

  static Response MakeResponse(const http_response& head) {
    Response response{.status = head.status_code()};
    for (const auto& [name, value] : head.headers()) response.headers.emplace_back(name, value);
    return response;
  }

  std::chrono::milliseconds Limit(const Request& request) const {
    if (request.timeout.count() <= 0) return options_.timeout;
    return std::min(request.timeout, options_.timeout);
  }
  Clock::time_point Deadline(const Request& request) const { return Clock::now() + Limit(request); }

  // The library's exceptions as a status.
  template <typename Try>
  absl::StatusOr<Response> Catch(const Request& request, const Try& attempt) const {
    try {
      return attempt();
    } catch (const web::uri_exception& error) {
      return absl::InvalidArgumentError(base::StrCat("path ", request.path, ": ", error.what()));
    } catch (const std::exception& error) {
      return Failed(Explain(error.what()));
    }
  }

  absl::Status Failed(std::string_view reason) const {
    return absl::UnavailableError(base::StrCat(address_, ": ", reason));
  }

  absl::StatusOr<http_request> MakeMessage(const Request& request, std::string_view body) const {
    http_request message(request.method);
    message.headers().add("User-Agent", "levada");
    message.set_request_uri(request.path);
    if (!body.empty()) {
      // No copy: the bytes live until Send returns, and the stream can be read again from its
      // start when a kept connection turns out to be closed.
      message.set_body(concurrency::streams::rawptr_stream<uint8_t>::open_istream(
                           reinterpret_cast<const uint8_t*>(body.data()), body.size()),
                       body.size(), request.content_type);
      if (request.gzip) message.headers().add("Content-Encoding", "gzip");
    }
    if (!authorization_.empty()) message.headers().add("Authorization", authorization_);
    // The library takes the name that it asks for and checks in the handshake from this header.
    if (!options_.tls.server_name.empty()) message.headers().add("Host", options_.tls.server_name);
    for (const auto& [name, value] : request.headers) {
      if (!IsHeaderText(name) || !IsHeaderText(value)) {
        return absl::InvalidArgumentError(base::StrCat("header ", name, " holds a line break"));
      }
      message.headers().add(name, value);
    }
    return message;
  }

  template <typename T>
  static absl::Status Stopped(pplx::cancellation_token_source& cancel, const pplx::task<T>& task) {
    cancel.cancel();
    try {
      task.wait();  // the connection is being closed; the body must not be read after we return
    } catch (const std::exception&) {
      // That it failed is what we wanted.
    }
    return absl::CancelledError("stopped");
  }

  template <typename T>
  absl::Status TimedOut(const Request& request, pplx::cancellation_token_source& cancel,
                        const pplx::task<T>& task) const {
    Stopped(cancel, task).IgnoreError();
    return Failed(base::StrCat("no answer within ", Limit(request).count(), " ms"));
  }

  absl::StatusOr<Response> ReadWhole(const Request& request, const http_response& head,
                                     Clock::time_point deadline,
                                     pplx::cancellation_token_source& cancel) const {
    Response response = MakeResponse(head);
    concurrency::streams::istream stream = head.body();
    concurrency::streams::container_buffer<std::string> chunk;
    for (;;) {
      auto read = stream.read(chunk, kReadStep);
      if (!Await(read, deadline)) return TimedOut(request, cancel, read);
      const size_t bytes = read.get();
      if (bytes == 0) break;
      // The buffer may be longer than what was read.
      response.body.append(chunk.collection(), 0, bytes);
      chunk = {};
      if (response.body.size() > options_.max_response_bytes) {
        cancel.cancel();
        return Failed(
            base::StrCat("its answer is larger than ", options_.max_response_bytes, " bytes"));
      }
    }
    // An answer that ends early is an error here, not a shorter answer.
    const auto whole = head.content_ready();
    if (!Await(whole, deadline)) return TimedOut(request, cancel, whole);
    whole.get();
    return response;
  }

  absl::Status ReadLines(const http_response& head, const StreamLimits& limits,
                         const OnLine& on_line, const std::stop_token& stop) const {
    using Bytes = concurrency::streams::container_buffer<std::string>;
    LineSplitter lines(limits.max_line_bytes);
    concurrency::streams::istream stream = head.body();
    for (;;) {
      // Wait for one byte, then take all that are there: read() alone would wait for a whole step.
      auto first = stream.streambuf().getc();
      if (!Await(first, Clock::now() + limits.idle, stop)) {
        if (stop.stop_requested()) return absl::CancelledError("stopped");
        return absl::DeadlineExceededError(
            base::StrCat(address_, ": nothing came for ", limits.idle.count(), " ms"));
      }
      if (first.get() == concurrency::streams::char_traits<uint8_t>::eof()) break;
      Bytes chunk;
      const size_t bytes = stream.read(chunk, stream.streambuf().in_avail()).get();
      switch (lines.Add({chunk.collection().data(), bytes}, on_line)) {
        case LineSplitter::Result::kMore:
          break;
        case LineSplitter::Result::kStopped:
          return absl::OkStatus();
        case LineSplitter::Result::kTooLong:
          return Failed(base::StrCat("a line is longer than ", limits.max_line_bytes, " bytes"));
      }
    }
    const auto whole = head.content_ready();
    if (!Await(whole, Clock::now() + limits.idle, stop)) return absl::CancelledError("stopped");
    whole.get();
    lines.End(on_line);
    return absl::OkStatus();
  }

  const Options options_;
  const std::string address_;
  std::string authorization_;
  web::http::client::http_client client_;
  web::http::client::http_client streaming_;
};

}  // namespace

std::string_view Response::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (absl::EqualsIgnoreCase(base::AbslView(key), base::AbslView(name))) return value;
  }
  return {};
}

absl::StatusOr<Response> Client::Stream(const Request&, const StreamLimits&, const OnLine&,
                                        std::stop_token) {
  return absl::UnimplementedError("this client cannot stream");
}

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const Options& given) {
  LimitThreads();
  Options options = given;
  if (!options.ca_file.empty()) options.tls.ca_file = options.ca_file;
  try {
    const web::uri base(options.base_url);
    if ((base.scheme() != "http" && base.scheme() != "https") || base.host().empty()) {
      return absl::InvalidArgumentError(
          base::StrCat("URL ", options.base_url, ": expected http:// or https:// and a host"));
    }
    const absl::Status usable = CheckTls(options.tls);
    if (!usable.ok()) return usable;
    return std::make_unique<CpprestClient>(options, base);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(base::StrCat("URL ", options.base_url, ": ", error.what()));
  }
}

std::string Gzip(std::string_view bytes, int level) {
  constexpr int kGzipFormat = 15 + 16;
  constexpr int kMemory = 8;
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, kGzipFormat, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::bad_alloc();
  }
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);  // always done in one call: there is room for the worst case
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace levada::http
