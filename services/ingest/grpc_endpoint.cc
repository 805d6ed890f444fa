#include "services/ingest/grpc_endpoint.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/base/address.h"
#include "core/base/strings.h"
#include "levada/v1/services.grpc.pb.h"
#include "services/ingest/grpc_stream.h"

namespace levada::ingest {
namespace {

constexpr size_t kQuotaBytes = 64 << 20;  // gRPC's own buffers, all connections together
constexpr int kFramingBytes = 64 << 10;   // of a request beyond its events

class Service final : public v1::IngestService::CallbackService {
 public:
  Service(Intake& intake, Probe& probe, const GrpcLimits& limits)
      : intake_(intake), probe_(probe), limits_(limits) {}

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context,
                                    const v1::PublishRequest* request,
                                    v1::PublishResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    if (context->IsCancelled()) {  // its deadline passed before it got here: write nothing
      reactor->Finish({grpc::StatusCode::CANCELLED, "cancelled"});
      return reactor;
    }
    PublishGrpc(intake_, probe_, limits_, *request, response,
                [context, reactor](const grpc::Status& status, std::chrono::seconds retry_after) {
                  if (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
                    context->AddTrailingMetadata("retry-after", base::StrCat(retry_after.count()));
                  }
                  reactor->Finish(status);
                });
    return reactor;
  }

  grpc::ServerBidiReactor<v1::PublishRequest, v1::PublishResponse>* PublishStream(
      grpc::CallbackServerContext*) override {
    auto stream = std::make_shared<GrpcStream>(intake_, probe_, limits_, [this](GrpcStream* done) {
      std::lock_guard lock(mutex_);
      streams_.erase(done);
    });
    {
      std::lock_guard lock(mutex_);
      streams_.emplace(stream.get(), stream);
    }
    stream->Begin();
    return stream.get();
  }

  void DrainStreams() {
    std::vector<std::shared_ptr<GrpcStream>> streams;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [raw, weak] : streams_) {
        if (auto stream = weak.lock()) streams.push_back(std::move(stream));
      }
    }
    for (const auto& stream : streams) stream->Drain();
  }

 private:
  Intake& intake_;
  Probe& probe_;
  const GrpcLimits limits_;
  std::mutex mutex_;
  std::unordered_map<GrpcStream*, std::weak_ptr<GrpcStream>> streams_;
};

class Endpoint final : public GrpcEndpoint {
 public:
  Endpoint(const Options& options, Intake& intake, Probe& probe)
      : options_(options), service_(intake, probe, {.max_batch = options.max_batch}) {}

  ~Endpoint() override { Stop(std::chrono::milliseconds(0)); }

  absl::Status Listen() {
    grpc::ResourceQuota quota("levada-ingest");
    quota.Resize(std::max(kQuotaBytes, 2 * options_.max_request_bytes));
    int port = 0;
    grpc::ServerBuilder builder;
    builder.SetResourceQuota(quota);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_request_bytes) + kFramingBytes);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    const std::string target = base::HostPort(options_.address, options_.port);
    builder.AddListeningPort(target, Credentials(), &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port == 0) {
      return absl::UnavailableError(base::StrCat("cannot listen for gRPC on ", target));
    }
    port_ = static_cast<uint16_t>(port);
    return absl::OkStatus();
  }

  uint16_t port() const override { return port_; }

  void BeginDrain() override { service_.DrainStreams(); }

  void Stop(std::chrono::milliseconds deadline) override {
    if (server_ == nullptr) return;
    service_.DrainStreams();
    server_->Shutdown(std::chrono::system_clock::now() + deadline);
    server_->Wait();
    server_.reset();
  }

 private:
  std::shared_ptr<grpc::ServerCredentials> Credentials() const {
    if (options_.tls_certificate.empty()) return grpc::InsecureServerCredentials();
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({options_.tls_key, options_.tls_certificate});
    return grpc::SslServerCredentials(tls);
  }

  const Options options_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  uint16_t port_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcEndpoint>> GrpcEndpoint::Start(const Options& options,
                                                                  Intake& intake, Probe& probe) {
  auto endpoint = std::make_unique<Endpoint>(options, intake, probe);
  if (absl::Status status = endpoint->Listen(); !status.ok()) return status;
  return endpoint;
}

}  // namespace levada::ingest
