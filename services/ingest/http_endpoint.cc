#include "services/ingest/http_endpoint.h"

#include <utility>

#include "core/base/strings.h"
#include "core/http/server.h"
#include "services/ingest/split.h"

namespace levada::ingest {
namespace {

using http::ServerResponse;

constexpr size_t kMaxKeyBytes = 256;

ServerResponse ErrorLater(int status, std::string_view message, std::chrono::seconds retry_after) {
  ServerResponse response = ServerResponse::Error(status, message);
  response.headers.emplace_back("Retry-After", base::StrCat(retry_after.count()));
  return response;
}

ServerResponse ResultsResponse(const std::vector<EventResult>& results, bool errors_only) {
  const Tally tally = Count(results);
  ServerResponse response;
  response.body = ToJson(results, tally, errors_only);
  if (tally.unavailable > 0) {
    response.status = 503;
    response.headers.emplace_back("Retry-After", "1");
  } else if (tally.invalid > 0) {
    response.status = tally.accepted > 0 ? 207 : 400;
  }
  return response;
}

ServerResponse ToResponse(const Outcome& outcome, bool errors_only) {
  switch (outcome.kind) {
    case Outcome::Kind::kMalformed:
      return ServerResponse::Error(400, outcome.error);
    case Outcome::Kind::kConflict:
      return ServerResponse::Error(422, outcome.error);
    case Outcome::Kind::kBusy:
      return ErrorLater(429, outcome.error, outcome.retry_after);
    case Outcome::Kind::kUnavailable:
      return ErrorLater(503, outcome.error, outcome.retry_after);
    case Outcome::Kind::kAnswered:
      break;
  }
  return ResultsResponse(outcome.results, errors_only);
}

class Endpoint final : public HttpEndpoint {
 public:
  Endpoint(const Options& options, Intake& intake, Probe& probe)
      : options_(options), intake_(intake), probe_(probe) {}

  absl::Status Listen() {
    http::Server::Options options;
    options.address = options_.address;
    options.port = options_.port;
    options.threads = options_.threads;
    options.tls_certificate = options_.tls_certificate;
    options.tls_key = options_.tls_key;
    options.max_body_bytes = options_.max_request_bytes;
    options.max_buffered_bytes = std::max<uint64_t>(options_.max_request_bytes, 32 << 20);
    auto server = http::Server::Start(
        options,
        {{"POST", options_.path, [this](http::ServerRequest request, http::Responder responder) {
            Take(std::move(request), std::move(responder));
          }}});
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  uint16_t port() const override { return server_->port(); }
  void BeginDrain() override { server_->BeginDrain(); }
  void Stop(std::chrono::milliseconds deadline) override { server_->Stop(deadline); }

 private:
  using Clock = std::chrono::steady_clock;

  void Take(http::ServerRequest request, http::Responder responder) {
    const auto begun = Clock::now();
    // std::function wants to be copyable, a Responder is not.
    auto shared = std::make_shared<http::Responder>(std::move(responder));
    const auto answer = [this, begun, shared](ServerResponse response) {
      probe_.Answered(Probe::Transport::kHttp, response.status, Clock::now() - begun);
      shared->Send(std::move(response));
    };
    Body body;
    ServerResponse refusal;
    if (!Read(request, &body, &refusal)) return answer(std::move(refusal));
    const bool errors_only = request.Parameter("results") == "errors";
    const PublishCall call{.events = body.events,
                           .one_document = body.format == Format::kArray,
                           .idempotency_key = request.Header("Idempotency-Key")};
    intake_.Publish(
        call, [answer, errors_only](Outcome outcome) { answer(ToResponse(outcome, errors_only)); });
  }

  // Takes the request apart; false with the answer where that cannot be done.
  bool Read(const http::ServerRequest& request, Body* body, ServerResponse* refusal) const {
    const std::string_view type = request.Header("Content-Type");
    Format format = Format::kSniff;
    if (!FormatOf(type, &format)) {
      *refusal = ServerResponse::Error(
          415, base::StrCat("Content-Type ", type,
                            " is not known: use application/json or application/x-ndjson"));
      return false;
    }
    if (request.Header("Idempotency-Key").size() > kMaxKeyBytes) {
      *refusal = ServerResponse::Error(
          400, base::StrCat("the Idempotency-Key is longer than ", kMaxKeyBytes, " characters"));
      return false;
    }
    const absl::Status status = Split(request.body, format, options_.max_batch, body);
    if (status.ok()) return true;
    *refusal = ServerResponse::Error(absl::IsResourceExhausted(status) ? 413 : 400,
                                     base::View(status.message()));
    return false;
  }

  const Options options_;
  Intake& intake_;
  Probe& probe_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(const Options& options,
                                                                  Intake& intake, Probe& probe) {
  auto endpoint = std::make_unique<Endpoint>(options, intake, probe);
  if (absl::Status status = endpoint->Listen(); !status.ok()) return status;
  return endpoint;
}

}  // namespace levada::ingest
