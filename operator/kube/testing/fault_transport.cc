#include "operator/kube/testing/fault_transport.h"

#include <utility>

#include "core/base/strings.h"

namespace levada::kube {

void FaultTransport::FailCall(int call, Fault fault) {
  const std::lock_guard lock(mutex_);
  fail_call_ = call;
  fault_ = fault;
}

void FaultTransport::FailFrom(int call) {
  const std::lock_guard lock(mutex_);
  fail_from_ = call;
}

void FaultTransport::Reset() {
  const std::lock_guard lock(mutex_);
  calls_ = 0;
  fail_call_ = 0;
  fail_from_ = 0;
  log_.clear();
}

int FaultTransport::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::vector<std::string> FaultTransport::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

absl::StatusOr<http::Response> FaultTransport::Send(const http::Request& request) {
  bool dead = false;
  bool fails = false;
  Fault fault = Fault::kRefused;
  {
    const std::lock_guard lock(mutex_);
    ++calls_;
    log_.push_back(base::StrCat(request.method, " ", request.path));
    dead = fail_from_ > 0 && calls_ >= fail_from_;
    fails = calls_ == fail_call_;
    fault = fault_;
  }
  if (dead || (fails && fault == Fault::kRefused)) {
    return absl::UnavailableError("fault: the server cannot be reached");
  }
  if (fails && fault == Fault::kServerError) {
    return http::Response{.status = 500, .headers = {}, .body = "fault: internal error"};
  }
  auto response = inner_->Send(request);
  if (fails) return absl::UnavailableError("fault: the answer is lost");
  return response;
}

absl::StatusOr<http::Response> FaultTransport::Stream(const http::Request& request,
                                                      std::chrono::milliseconds idle,
                                                      const http::OnLine& on_line,
                                                      std::stop_token stop) {
  return inner_->Stream(request, idle, on_line, std::move(stop));
}

}  // namespace levada::kube
