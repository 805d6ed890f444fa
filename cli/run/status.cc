#include "cli/run/status.h"

#include <grpcpp/grpcpp.h>

#include "core/base/strings.h"
#include "levada/v1/services.grpc.pb.h"

namespace levada::cli {
namespace {

class StatusClientImpl : public StatusClient {
 public:
  explicit StatusClientImpl(const std::string& address)
      : stub_(v1::Control::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {}

  std::optional<v1::StageStatus> Get() override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(300));
    v1::StageStatus status;
    if (!stub_->GetStatus(&context, v1::GetStatusRequest(), &status).ok()) return std::nullopt;
    return status;
  }

  bool SetPaused(bool paused) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(2));
    v1::StageStatus status;
    return paused ? stub_->Pause(&context, v1::PauseRequest(), &status).ok()
                  : stub_->Resume(&context, v1::ResumeRequest(), &status).ok();
  }

 private:
  std::unique_ptr<v1::Control::Stub> stub_;
};

}  // namespace

std::unique_ptr<StatusClient> StatusClient::Connect(const std::string& address) {
  return std::make_unique<StatusClientImpl>(address);
}

std::string StateText(const v1::StageStatus& status) {
  switch (status.state()) {
    case v1::StageStatus::RUNNING:
      return "running";
    case v1::StageStatus::PAUSED:
      return "paused";
    case v1::StageStatus::RETRYING:
      return base::StrCat("waiting: ", status.message());
    case v1::StageStatus::DRAINING:
      return "draining";
    default:
      return "starting";
  }
}

}  // namespace levada::cli
