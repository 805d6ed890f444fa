#include "operator/webhook/webhook.h"

#include "core/base/address.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "operator/webhook/review.h"

namespace levada::webhook {
namespace {

constexpr int kThreads = 2;
constexpr int kMaxConnections = 256;
constexpr uint64_t kMaxBufferedBytes = 64 << 20;
// The API server waits for 30 s at most.
constexpr std::chrono::seconds kRequestTimeout{10};
constexpr std::chrono::seconds kStopWithin{5};

}  // namespace

Webhook::Webhook(std::unique_ptr<CertificateSource> source, Options options)
    : source_(std::move(source)), options_(std::move(options)) {}

Webhook::~Webhook() { Stop(); }

void Webhook::Start() {
  // At once, so that a pod is not ready before it answers.
  absl::Status status = Refresh();
  thread_ = std::jthread([this, status](const std::stop_token& stop) mutable {
    while (!stop.stop_requested()) {
      if (!status.ok()) {
        base::LogWarn("webhook certificate", {{"reason", base::View(status.message())}});
      }
      {
        std::unique_lock lock(mutex_);
        stopped_.wait_for(lock, stop, status.ok() ? options_.look_every : options_.retry_every,
                          [] { return false; });
      }
      if (!stop.stop_requested()) status = Refresh();
    }
  });
}

void Webhook::Stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  if (server_ == nullptr) return;
  server_->BeginDrain();
  std::this_thread::sleep_for(options_.linger);
  if (!server_->Stop(kStopWithin)) base::LogWarn("reviews were cut off");
}

uint16_t Webhook::port() const {
  const std::lock_guard lock(mutex_);
  return server_ == nullptr ? 0 : server_->port();
}

absl::Status Webhook::Refresh() {
  const absl::StatusOr<ServerCertificate> certificate = source_->Get();
  if (!certificate.ok()) return certificate.status();
  if (*certificate == served_) return absl::OkStatus();
  // Files of two certificates, for a moment: what is served goes on.
  if (absl::Status status = Serve(*certificate); !status.ok()) return status;
  served_ = *certificate;
  const auto end_s = EndOf(certificate->certificate);
  if (end_s.ok() && options_.probe.certificate_ends) options_.probe.certificate_ends(*end_s);
  return absl::OkStatus();
}

absl::Status Webhook::Serve(const ServerCertificate& certificate) {
  if (server_ != nullptr) {
    return server_->SetCertificate(certificate.certificate, certificate.key);
  }
  http::Server::Options http;
  http.address = options_.address;
  http.port = options_.port;
  http.threads = kThreads;
  http.tls_certificate = certificate.certificate;
  http.tls_key = certificate.key;
  http.max_body_bytes = options_.max_body_bytes;
  http.max_buffered_bytes = kMaxBufferedBytes;
  http.max_connections = kMaxConnections;
  http.header_timeout = http.body_timeout = http.write_timeout = kRequestTimeout;
  auto server = http::Server::Start(
      http, {{"POST", "/validate", [this](http::ServerRequest request, http::Responder responder) {
                Answer(request, std::move(responder));
              }}});
  if (!server.ok()) return server.status();
  base::LogInfo("webhook", {{"address", base::HostPort(options_.address, (*server)->port())}});
  const std::lock_guard lock(mutex_);
  server_ = *std::move(server);
  return absl::OkStatus();
}

void Webhook::Answer(const http::ServerRequest& request, http::Responder responder) const {
  const auto began = std::chrono::steady_clock::now();
  const absl::StatusOr<webhook::Answer> answer = Review(request.body);
  if (options_.probe.reviewed) {
    options_.probe.reviewed(!answer.ok()      ? "unreadable"
                            : answer->allowed ? "allowed"
                                              : "refused",
                            std::chrono::steady_clock::now() - began);
  }
  if (!answer.ok()) {
    return responder.Send(http::ServerResponse::Error(400, base::View(answer.status().message())));
  }
  if (!answer->allowed) {
    base::LogInfo("refused", {{"pipeline", answer->pipeline}, {"problems", answer->problems}});
  }
  responder.Send({.body = answer->body});
}

}  // namespace levada::webhook
