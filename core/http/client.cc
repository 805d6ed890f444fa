#include "core/http/client.h"

#define _TURN_OFF_PLATFORM_STRING
#include <cpprest/http_client.h>
#include <cpprest/rawptrstream.h>
#include <pplx/threadpool.h>
#include <zlib.h>

#include <condition_variable>
#include <mutex>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "core/base/strings.h"

namespace levada::http {
namespace {

namespace ssl = boost::asio::ssl;
using web::http::http_request;
using web::http::http_response;
using Clock = std::chrono::steady_clock;

constexpr size_t kReadStep = 64 << 10;
// The library's threads only move bytes; its default of 40 costs memory for nothing.
constexpr size_t kThreads = 2;

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

// Waits for a task; false once the deadline has passed.
template <typename T>
bool Await(const pplx::task<T>& task, Clock::time_point deadline) {
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  };
  auto state = std::make_shared<State>();
  task.then([state](const pplx::task<T>&) {
    const std::lock_guard lock(state->mutex);
    state->done = true;
    state->changed.notify_all();
  });
  std::unique_lock lock(state->mutex);
  return state->changed.wait_until(lock, deadline, [&] { return state->done; });
}

// Trusts only the certificates of `ca_file`. It is read for each connection, so that a renewed
// file is taken without a restart; one that cannot be read trusts nobody.
void ConfigureTls(ssl::context& context, const std::string& ca_file) {
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  if (ca_file.empty()) return;
  SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
  boost::system::error_code ignored;
  context.load_verify_file(ca_file, ignored);
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
        client_(base, MakeConfig(options)) {
    if (!options.user.empty()) {
      authorization_ = "Basic " + absl::Base64Escape(options.user + ":" + options.password);
    }
  }

  absl::StatusOr<Response> Send(const Request& request) override {
    const auto deadline = Clock::now() + options_.timeout;
    pplx::cancellation_token_source cancel;
    try {
      const std::string compressed = request.gzip ? Gzip(request.body) : std::string();
      auto message = MakeMessage(request, request.gzip ? compressed : request.body);
      if (!message.ok()) return message.status();
      auto answer = client_.request(*message, cancel.get_token());
      if (!Await(answer, deadline)) return TimedOut(cancel, answer);
      const http_response head = answer.get();
      Response response{.status = head.status_code()};
      for (const auto& [name, value] : head.headers()) response.headers.emplace_back(name, value);
      const absl::Status read = ReadBody(head, deadline, cancel, &response.body);
      if (!read.ok()) return read;
      return response;
    } catch (const web::uri_exception& error) {
      return absl::InvalidArgumentError(base::StrCat("path ", request.path, ": ", error.what()));
    } catch (const std::exception& error) {
      return Failed(Explain(error.what()));
    }
  }

 private:
  static web::http::client::http_client_config MakeConfig(const Options& options) {
    web::http::client::http_client_config config;
    config.set_timeout(options.timeout);
    config.set_max_redirects(0);
    config.set_ssl_context_callback(
        [ca_file = options.ca_file](ssl::context& context) { ConfigureTls(context, ca_file); });
    return config;
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
    for (const auto& [name, value] : request.headers) {
      if (!IsHeaderText(name) || !IsHeaderText(value)) {
        return absl::InvalidArgumentError(base::StrCat("header ", name, " holds a line break"));
      }
      message.headers().add(name, value);
    }
    return message;
  }

  template <typename T>
  absl::Status TimedOut(pplx::cancellation_token_source& cancel, const pplx::task<T>& task) const {
    cancel.cancel();
    try {
      task.wait();  // the connection is being closed; the body must not be read after we return
    } catch (const std::exception&) {
      // That it failed is what we wanted.
    }
    return Failed(base::StrCat("no answer within ", options_.timeout.count(), " ms"));
  }

  absl::Status ReadBody(const http_response& head, Clock::time_point deadline,
                        pplx::cancellation_token_source& cancel, std::string* body) const {
    concurrency::streams::istream stream = head.body();
    concurrency::streams::container_buffer<std::string> chunk;
    for (;;) {
      auto read = stream.read(chunk, kReadStep);
      if (!Await(read, deadline)) return TimedOut(cancel, read);
      const size_t bytes = read.get();
      if (bytes == 0) break;
      body->append(chunk.collection(), 0, bytes);  // the buffer may be longer than what was read
      chunk = {};
      if (body->size() > options_.max_response_bytes) {
        cancel.cancel();
        return Failed(
            base::StrCat("its answer is larger than ", options_.max_response_bytes, " bytes"));
      }
    }
    // An answer that ends early is an error here, not a shorter answer.
    const auto whole = head.content_ready();
    if (!Await(whole, deadline)) return TimedOut(cancel, whole);
    whole.get();
    return absl::OkStatus();
  }

  const Options options_;
  const std::string address_;
  std::string authorization_;
  web::http::client::http_client client_;
};

absl::Status CheckCaFile(const std::string& path) {
  ssl::context context(ssl::context::tls_client);
  boost::system::error_code error;
  context.load_verify_file(path, error);
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(
      base::StrCat("caFile ", path, " cannot be read as PEM certificates: ", error.message()));
}

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

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const Options& options) {
  LimitThreads();
  try {
    const web::uri base(options.base_url);
    if ((base.scheme() != "http" && base.scheme() != "https") || base.host().empty()) {
      return absl::InvalidArgumentError(
          base::StrCat("URL ", options.base_url, ": expected http:// or https:// and a host"));
    }
    if (!options.ca_file.empty()) {
      const absl::Status usable = CheckCaFile(options.ca_file);
      if (!usable.ok()) return usable;
    }
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
