#include "operator/kube/transport.h"

#include "core/base/log.h"
#include "operator/kube/token_source.h"

namespace levada::kube {
namespace {

constexpr int kUnauthorized = 401;

class HttpTransport : public Transport {
 public:
  HttpTransport(std::unique_ptr<http::Client> client, const Config& config, const Options& options)
      : client_(std::move(client)), token_(config.token, config.token_file), options_(options) {
    if (!config.impersonate_user.empty()) {
      headers_.emplace_back("Impersonate-User", config.impersonate_user);
    }
    for (const std::string& group : config.impersonate_groups) {
      headers_.emplace_back("Impersonate-Group", group);
    }
  }

  absl::StatusOr<http::Response> Send(const http::Request& request) override {
    return Authorized(request, [&](const http::Request& signed_request) {
      return client_->Send(signed_request);
    });
  }

  absl::StatusOr<http::Response> Stream(const http::Request& request,
                                        std::chrono::milliseconds idle, const http::OnLine& on_line,
                                        std::stop_token stop) override {
    const http::StreamLimits limits{.idle = idle, .max_line_bytes = options_.max_line_bytes};
    return Authorized(request, [&](const http::Request& signed_request) {
      return client_->Stream(signed_request, limits, on_line, stop);
    });
  }

 private:
  template <typename Try>
  absl::StatusOr<http::Response> Authorized(const http::Request& request, const Try& attempt) {
    std::string token = token_.Get();
    auto response = attempt(Sign(request, token));
    if (!response.ok() || response->status != kUnauthorized) return response;
    // The token may have been renewed since it was read.
    const std::string renewed = token_.Renew();
    if (renewed == token) return response;
    return attempt(Sign(request, renewed));
  }

  http::Request Sign(const http::Request& request, const std::string& token) const {
    http::Request copy = request;
    copy.headers.insert(copy.headers.end(), headers_.begin(), headers_.end());
    if (!token.empty()) copy.headers.emplace_back("Authorization", "Bearer " + token);
    return copy;
  }

  const std::unique_ptr<http::Client> client_;
  TokenSource token_;
  const Options options_;
  std::vector<std::pair<std::string, std::string>> headers_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> Transport::Create(const Config& config,
                                                             const Options& options) {
  for (const std::string* secret : {&config.token, &config.key_pem}) {
    if (!secret->empty()) base::HideInLogs(*secret);
  }
  auto client = http::Client::Create({
      .base_url = config.server,
      .timeout = options.timeout,
      .max_response_bytes = options.max_response_bytes,
      .tls = {.ca_file = config.ca_file,
              .ca_pem = config.ca_pem,
              .certificate_file = config.certificate_file,
              .certificate_pem = config.certificate_pem,
              .key_file = config.key_file,
              .key_pem = config.key_pem,
              .server_name = config.tls_server_name,
              .skip_verify = config.insecure_skip_tls_verify},
  });
  if (!client.ok()) return client.status();
  return std::make_unique<HttpTransport>(*std::move(client), config, options);
}

}  // namespace levada::kube
