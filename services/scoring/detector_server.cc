#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "core/base/address.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/http/server.h"
#include "core/json/write.h"
#include "levada/v1/services.grpc.pb.h"
#include "services/scoring/detector.h"
#include "services/scoring/peers/address.h"

namespace levada::scoring {
namespace {

constexpr uint64_t kMaxEventBytes = 1 << 20;
constexpr std::chrono::seconds kStopWithin{5};

std::string ToJson(const Answer& answer) {
  std::string body = base::StrCat("{\"kept\":", answer.kept ? "true" : "false", ",\"topics\":[");
  for (size_t i = 0; i < answer.topics.size(); ++i) {
    if (i > 0) body.push_back(',');
    json::AppendString(answer.topics[i], &body);
  }
  base::StrAppend(&body, "],\"micros\":", answer.micros);
  if (answer.kept) base::StrAppend(&body, ",\"event\":", answer.event);
  body.append("}\n");
  return body;
}

void ToResponse(Answer answer, v1::DetectResponse* response) {
  response->set_kept(answer.kept);
  response->set_event(std::move(answer.event));
  for (std::string& topic : answer.topics) response->add_topics(std::move(topic));
  response->set_micros(answer.micros);
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = absl::IsInvalidArgument(status) ? grpc::StatusCode::INVALID_ARGUMENT
                    : absl::IsUnavailable(status)   ? grpc::StatusCode::UNAVAILABLE
                                                    : grpc::StatusCode::INTERNAL;
  return grpc::Status(code, std::string(status.message()));
}

http::ServerResponse ToHttp(const absl::StatusOr<Answer>& answer) {
  http::ServerResponse response;
  if (answer.ok()) {
    response.body = ToJson(*answer);
    return response;
  }
  const bool later = absl::IsUnavailable(answer.status());
  const int code = absl::IsInvalidArgument(answer.status()) ? 400 : later ? 503 : 500;
  response = http::ServerResponse::Error(code, base::View(answer.status().message()));
  if (later) response.headers.emplace_back("Retry-After", "1");
  return response;
}

class Service final : public v1::Detector::CallbackService {
 public:
  explicit Service(Detector* detector) : detector_(detector) {}

  grpc::ServerUnaryReactor* Detect(grpc::CallbackServerContext* context,
                                   const v1::DetectRequest* request,
                                   v1::DetectResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool forwarded = context->client_metadata().count(peers::kForwarded) > 0;
    detector_->Detect(request->event(), forwarded,
                      [reactor, response](absl::StatusOr<scoring::Answer> answer) {
                        if (answer.ok()) ToResponse(*std::move(answer), response);
                        reactor->Finish(ToGrpc(answer.status()));
                      });
    return reactor;
  }

 private:
  Detector* detector_;
};

class DetectorServerImpl : public DetectorServer {
 public:
  explicit DetectorServerImpl(Detector* detector) : detector_(detector), service_(detector) {}

  ~DetectorServerImpl() override {
    if (http_) {
      http_->BeginDrain();
      http_->Stop(kStopWithin);
    }
    if (grpc_) grpc_->Shutdown(std::chrono::system_clock::now() + kStopWithin);
  }

  uint16_t http_port() const override { return http_->port(); }
  uint16_t grpc_port() const override { return static_cast<uint16_t>(grpc_port_); }

  absl::Status Open(const v1::Serve& serve, const std::string& address,
                    const peers::Certificate& pair) {
    http::Server::Options options;
    options.address = address;
    options.port = static_cast<uint16_t>(serve.port());
    options.max_body_bytes = kMaxEventBytes;
    options.tls_certificate = pair.certificate;
    options.tls_key = pair.key;
    auto http = http::Server::Start(
        options,
        {{"POST", serve.path(), [this](http::ServerRequest request, http::Responder responder) {
            Answer(std::move(request.body), std::move(responder));
          }}});
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
    return OpenGrpc(base::HostPort(address, static_cast<int>(serve.grpc_port())), pair);
  }

 private:
  void Answer(std::string event, http::Responder responder) {
    // What is called later must be copyable.
    auto shared = std::make_shared<http::Responder>(std::move(responder));
    detector_->Detect(std::move(event), false, [shared](absl::StatusOr<scoring::Answer> answer) {
      shared->Send(ToHttp(answer));
    });
  }

  absl::Status OpenGrpc(const std::string& target, const peers::Certificate& pair) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (!pair.empty()) {
      grpc::SslServerCredentialsOptions tls;
      tls.pem_key_cert_pairs.push_back({pair.key, pair.certificate});
      credentials = grpc::SslServerCredentials(tls);
    }
    builder.AddListeningPort(target, credentials, &grpc_port_);
    builder.SetMaxReceiveMessageSize(kMaxEventBytes + 1024);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.RegisterService(&service_);
    grpc_ = builder.BuildAndStart();
    if (grpc_ == nullptr || grpc_port_ == 0) {
      return absl::UnavailableError(base::StrCat("cannot listen on ", target));
    }
    base::LogInfo("detector answers", {{"http_port", http_->port()}, {"grpc_port", grpc_port_}});
    return absl::OkStatus();
  }

  Detector* detector_;
  Service service_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<grpc::Server> grpc_;
  int grpc_port_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DetectorServer>> DetectorServer::Start(
    const runtime::StageContext& context, const peers::Certificate& certificate,
    Detector* detector) {
  auto server = std::make_unique<DetectorServerImpl>(detector);
  absl::Status status = server->Open(context.stage.scoring().serve(), context.listen, certificate);
  if (!status.ok()) return status;
  return server;
}

}  // namespace levada::scoring
