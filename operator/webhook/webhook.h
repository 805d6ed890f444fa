#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "core/http/server.h"
#include "operator/webhook/certificate_source.h"

// The server that the API server asks before it stores a Pipeline: `POST /validate` over HTTPS, an
// AdmissionReview in and out (review.h).
//
//   Webhook webhook(OwnCertificates(client, {...}), {.port = 9443, .probe = {...}});
//   webhook.Start();      // listens when it returns, or as soon as there is a certificate
//   ...
//   webhook.Stop();
//
// Every replica of the operator answers, whoever leads. The certificate is looked after while
// requests go on. A request is answered in the server's own threads: what it costs is its own
// parsing and checking, and that is bounded by its size.
//
// Threads: Start and Stop from one thread; port from any.
namespace levada::webhook {

// What is told of it; called from the server's threads.
struct WebhookProbe {
  // Result: "allowed", "refused", "unreadable".
  std::function<void(std::string_view result, std::chrono::duration<double> took)> reviewed;
  std::function<void(int64_t end_s)> certificate_ends;  // of the one that is served
};

class Webhook {
 public:
  struct Options {
    std::string address = "0.0.0.0";
    uint16_t port = 0;  // 0: any free one
    // Two objects of the API server's largest size, and what is around them.
    uint64_t max_body_bytes = 8 << 20;
    std::chrono::milliseconds look_every{std::chrono::seconds(30)};
    std::chrono::milliseconds retry_every{std::chrono::seconds(3)};
    // Answers go on for so long after Stop is called, as API servers still call a pod that ends.
    std::chrono::milliseconds linger{0};
    WebhookProbe probe;
  };

  Webhook(std::unique_ptr<CertificateSource> source, Options options);
  ~Webhook();

  void Start();
  void Stop();

  uint16_t port() const;  // 0: it does not listen yet

 private:
  absl::Status Refresh();
  absl::Status Serve(const ServerCertificate& certificate);
  void Answer(const http::ServerRequest& request, http::Responder responder) const;

  const std::unique_ptr<CertificateSource> source_;
  const Options options_;
  ServerCertificate served_;  // of the thread that looks after it, as is the server's making
  mutable std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::unique_ptr<http::Server> server_;
  std::jthread thread_;
};

}  // namespace levada::webhook
