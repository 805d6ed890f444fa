#include "core/runtime/endpoints.h"

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "core/base/strings.h"
#include "core/http/server.h"
#include "core/runtime/control_service.h"

namespace levada::runtime {
namespace {

class EndpointsImpl : public Endpoints {
 public:
  EndpointsImpl(std::unique_ptr<http::Server> http, std::unique_ptr<ControlServer> grpc)
      : http_(std::move(http)), grpc_(std::move(grpc)) {}
  uint16_t http_port() const override { return http_->port(); }
  uint16_t grpc_port() const override { return grpc_->port(); }

 private:
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<ControlServer> grpc_;
};

http::ServerResponse Plain(bool good, const std::string& text) {
  http::ServerResponse response;
  response.status = good ? 200 : 503;
  response.body = text + "\n";
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

std::vector<http::Route> Routes(const Identity& identity, prometheus::Registry* registry,
                                Control* control, StageMetrics* metrics) {
  return {
      {"GET", "/metrics",
       [=](http::ServerRequest, http::Responder responder) {
         metrics->Ready(control->ready());
         http::ServerResponse response;
         response.body = prometheus::TextSerializer().Serialize(registry->Collect());
         response.content_type = "text/plain; version=0.0.4; charset=utf-8";
         responder.Send(std::move(response));
       }},
      {"GET", "/healthz",
       [=](http::ServerRequest, http::Responder responder) {
         const bool alive = control->alive();
         responder.Send(Plain(alive, alive ? "ok" : "the loop does not go round: some call hangs"));
       }},
      {"GET", "/readyz",
       [=](http::ServerRequest, http::Responder responder) {
         responder.Send(Plain(control->ready(),
                              base::StrCat(StateName(control->state()), " ", control->message())));
       }},
      {"GET", "/status",
       [=](http::ServerRequest, http::Responder responder) {
         http::ServerResponse response;
         response.body = ToJson(StatusOf(identity, *control, *metrics));
         responder.Send(std::move(response));
       }},
  };
}

}  // namespace

absl::StatusOr<std::unique_ptr<Endpoints>> Endpoints::Start(const Options& options,
                                                            const Identity& identity,
                                                            prometheus::Registry* registry,
                                                            Control* control,
                                                            StageMetrics* metrics) {
  http::Server::Options http_options;
  http_options.address = options.address;
  http_options.port = options.http_port;
  http_options.max_connections = 64;
  http_options.max_body_bytes = 64 << 10;
  auto http = http::Server::Start(http_options, Routes(identity, registry, control, metrics));
  if (!http.ok()) return http.status();
  auto grpc = ControlServer::Start(options.address, options.grpc_port, identity, control, metrics);
  if (!grpc.ok()) return grpc.status();
  return std::make_unique<EndpointsImpl>(*std::move(http), *std::move(grpc));
}

}  // namespace levada::runtime
