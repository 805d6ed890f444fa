#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "operator/kube/transport.h"

// A Transport that breaks at a chosen call, for tests of what happens when the process or the
// server dies just there.
//
//   FaultTransport transport(real);
//   transport.FailCall(7, Fault::kAnswerLost);           // counted from 1, requests only
//   ...
//   EXPECT_GE(transport.calls(), 7);
//
// Threads: any.
namespace levada::kube {

enum class Fault {
  kRefused,     // the server never sees the request
  kAnswerLost,  // it carries it out, and the answer is lost
  kServerError  // it answers 500
};

class FaultTransport : public Transport {
 public:
  explicit FaultTransport(std::shared_ptr<Transport> inner) : inner_(std::move(inner)) {}

  // Call number `call` of Send fails, once; counted from 1 since the last Reset.
  void FailCall(int call, Fault fault);
  // From call number `call` on nothing gets through: the process is as good as dead.
  void FailFrom(int call);
  // Forgets faults, calls and log.
  void Reset();

  int calls() const;
  std::vector<std::string> log() const;  // "PATCH /api/v1/namespaces/shop/configmaps/a?..."

  absl::StatusOr<http::Response> Send(const http::Request& request) override;
  absl::StatusOr<http::Response> Stream(const http::Request& request,
                                        std::chrono::milliseconds idle, const http::OnLine& on_line,
                                        std::stop_token stop) override;

 private:
  const std::shared_ptr<Transport> inner_;
  mutable std::mutex mutex_;
  int calls_ = 0;
  int fail_call_ = 0;
  int fail_from_ = 0;
  Fault fault_ = Fault::kRefused;
  std::vector<std::string> log_;
};

// A Transport that a function answers: for tests of logic only. Streams are what `stream` gives.
class FunctionTransport : public Transport {
 public:
  using OnSend = std::function<absl::StatusOr<http::Response>(const http::Request&)>;
  using OnStream = std::function<absl::StatusOr<http::Response>(
      const http::Request&, const http::OnLine&, std::stop_token)>;

  explicit FunctionTransport(OnSend send, OnStream stream = nullptr)
      : send_(std::move(send)), stream_(std::move(stream)) {}

  absl::StatusOr<http::Response> Send(const http::Request& request) override {
    return send_(request);
  }
  absl::StatusOr<http::Response> Stream(const http::Request& request, std::chrono::milliseconds,
                                        const http::OnLine& on_line,
                                        std::stop_token stop) override {
    return stream_(request, on_line, std::move(stop));
  }

 private:
  const OnSend send_;
  const OnStream stream_;
};

}  // namespace levada::kube
