#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "core/base/address.h"
#include "core/base/log.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/http/server.h"
#include "core/json/write.h"
#include "levada/v1/services.grpc.pb.h"
#include "services/scoring/detector.h"

namespace levada::scoring {
namespace {

constexpr uint64_t kMaxEventBytes = 1 << 20;
constexpr std::chrono::seconds kStopWithin{5};

std::string ToJson(const Detector::Answer& answer) {
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

class Service final : public v1::Detector::CallbackService {
 public:
  explicit Service(Detector* detector) : detector_(detector) {}

  grpc::ServerUnaryReactor* Detect(grpc::CallbackServerContext* context,
                                   const v1::DetectRequest* request,
                                   v1::DetectResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    auto answer = detector_->Detect(request->event());
    if (!answer.ok()) {
      const auto code = absl::IsInvalidArgument(answer.status())
                            ? grpc::StatusCode::INVALID_ARGUMENT
                        : absl::IsUnavailable(answer.status()) ? grpc::StatusCode::UNAVAILABLE
                                                               : grpc::StatusCode::INTERNAL;
      reactor->Finish(grpc::Status(code, std::string(answer.status().message())));
      return reactor;
    }
    response->set_kept(answer->kept);
    response->set_event(std::move(answer->event));
    for (std::string& topic : answer->topics) response->add_topics(std::move(topic));
    response->set_micros(answer->micros);
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  Detector* detector_;
};

struct Certificate {
  std::string certificate;
  std::string key;
};

absl::StatusOr<Certificate> ReadCertificate(const runtime::StageContext& context) {
  Certificate pair;
  const std::string& secret = context.stage.scoring().serve().tls_secret_ref();
  if (secret.empty()) return pair;
  auto certificate = context.secrets.Get(secret, "tls.crt");
  if (!certificate.ok()) return certificate.status();
  auto key = context.secrets.Get(secret, "tls.key");
  if (!key.ok()) return key.status();
  return Certificate{*std::move(certificate), *std::move(key)};
}

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

  absl::Status Open(const v1::Serve& serve, const std::string& address, const Certificate& pair) {
    http::Server::Options options;
    options.address = address;
    options.port = static_cast<uint16_t>(serve.port());
    options.max_body_bytes = kMaxEventBytes;
    options.tls_certificate = pair.certificate;
    options.tls_key = pair.key;
    auto http = http::Server::Start(
        options,
        {{"POST", serve.path(), [this](http::ServerRequest request, http::Responder responder) {
            responder.Send(Answer(std::move(request.body)));
          }}});
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
    return OpenGrpc(base::HostPort(address, static_cast<int>(serve.grpc_port())), pair);
  }

 private:
  http::ServerResponse Answer(std::string event) {
    auto answer = detector_->Detect(std::move(event));
    if (!answer.ok()) {
      const int code = absl::IsInvalidArgument(answer.status()) ? 400
                       : absl::IsUnavailable(answer.status())   ? 503
                                                                : 500;
      return http::ServerResponse::Error(code, base::View(answer.status().message()));
    }
    http::ServerResponse response;
    response.body = ToJson(*answer);
    return response;
  }

  absl::Status OpenGrpc(const std::string& target, const Certificate& pair) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (!pair.certificate.empty()) {
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
    const runtime::StageContext& context, Detector* detector) {
  absl::StatusOr<Certificate> pair = ReadCertificate(context);
  if (!pair.ok()) return pair.status();
  auto server = std::make_unique<DetectorServerImpl>(detector);
  absl::Status status = server->Open(context.stage.scoring().serve(), context.listen, *pair);
  if (!status.ok()) return status;
  return server;
}

}  // namespace levada::scoring
