#include "core/runtime/control_service.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <chrono>
#include <thread>

#include "core/base/address.h"
#include "core/base/strings.h"
#include "levada/v1/services.grpc.pb.h"

namespace levada::runtime {
namespace {

class ControlService final : public v1::Control::CallbackService {
 public:
  ControlService(const Identity& identity, Control* control, StageMetrics* metrics)
      : identity_(identity), control_(control), metrics_(metrics) {}

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest*,
                                      v1::StageStatus* response) override {
    return Answer(context, response);
  }
  grpc::ServerUnaryReactor* Pause(grpc::CallbackServerContext* context, const v1::PauseRequest*,
                                  v1::StageStatus* response) override {
    control_->Pause();
    return Answer(context, response);
  }
  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* context, const v1::ResumeRequest*,
                                   v1::StageStatus* response) override {
    control_->Resume();
    return Answer(context, response);
  }

 private:
  grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context,
                                   v1::StageStatus* response) {
    *response = StatusOf(identity_, *control_, *metrics_);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  const Identity identity_;
  Control* control_;
  StageMetrics* metrics_;
};

class ControlServerImpl : public ControlServer {
 public:
  ControlServerImpl(const Identity& identity, Control* control, StageMetrics* metrics)
      : control_(control), service_(identity, control, metrics) {}

  ~ControlServerImpl() override {
    if (health_.joinable()) {
      stop_ = true;
      health_.join();
    }
    if (server_)
      server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
  }

  absl::Status Open(const std::string& address, uint16_t port) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    const std::string target = base::HostPort(address, port);
    int bound = 0;
    builder.AddListeningPort(target, grpc::InsecureServerCredentials(), &bound);
    builder.SetMaxReceiveMessageSize(64 << 10);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    grpc::ResourceQuota quota("control");
    quota.SetMaxThreads(4);
    builder.SetResourceQuota(quota);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || bound == 0) {
      return absl::UnavailableError(base::StrCat("cannot listen on ", target, " for control"));
    }
    port_ = static_cast<uint16_t>(bound);
    health_ = std::thread([this] { FollowHealth(); });
    return absl::OkStatus();
  }

  uint16_t port() const override { return port_; }

 private:
  void FollowHealth() {
    while (!stop_) {
      server_->GetHealthCheckService()->SetServingStatus(control_->ready());
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }

  Control* control_;
  ControlService service_;
  std::unique_ptr<grpc::Server> server_;
  std::thread health_;
  std::atomic<bool> stop_{false};
  uint16_t port_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Start(const std::string& address,
                                                                    uint16_t port,
                                                                    const Identity& identity,
                                                                    Control* control,
                                                                    StageMetrics* metrics) {
  auto server = std::make_unique<ControlServerImpl>(identity, control, metrics);
  if (absl::Status status = server->Open(address, port); !status.ok()) return status;
  return server;
}

}  // namespace levada::runtime
