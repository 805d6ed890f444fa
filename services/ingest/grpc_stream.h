#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "levada/v1/services.pb.h"
#include "services/ingest/intake.h"

// Inside of the gRPC endpoint: what both of its methods do with a request, and the stream.
namespace levada::ingest {

struct GrpcLimits {
  size_t max_batch = 0;
};

// Hands a request to the intake; `done` gets the status, OK with `response` filled.
void PublishGrpc(Intake& intake, Probe& probe, const GrpcLimits& limits,
                 const v1::PublishRequest& request, v1::PublishResponse* response,
                 std::function<void(const grpc::Status&, std::chrono::seconds retry_after)> done);

// One PublishStream call. Up to kWindow requests are under way; responses go out in order. A
// request that the intake has no room for is tried again later, and nothing is read meanwhile.
//
// Reactions may come from within the calls that start operations, hence the recursive mutex and the
// reference that each entry holds.
class GrpcStream final : public grpc::ServerBidiReactor<v1::PublishRequest, v1::PublishResponse>,
                         public std::enable_shared_from_this<GrpcStream> {
 public:
  static constexpr size_t kWindow = 16;

  GrpcStream(Intake& intake, Probe& probe, const GrpcLimits& limits,
             std::function<void(GrpcStream*)> on_done);

  // Starts reading; the stream keeps itself until OnDone.
  void Begin();
  // Ends it with UNAVAILABLE once nothing is under way.
  void Drain();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  struct Call {
    v1::PublishRequest request;
    v1::PublishResponse response;
    bool answered = false;
    bool refused = false;  // as a whole: the stream ends here
  };

  // Hands waiting_ to the intake; without the mutex, since the outcome may come at once and belong
  // to another stream as well (which waited for the same idempotency key).
  void Publish();
  void OnAnswer(Call* call, const grpc::Status& status, std::chrono::seconds retry_after);
  // With the mutex held: starts whatever can be started now.
  void Proceed();

  Intake& intake_;
  Probe& probe_;
  const GrpcLimits limits_;
  const std::function<void(GrpcStream*)> on_done_;
  std::shared_ptr<GrpcStream> self_;
  std::recursive_mutex mutex_;
  std::deque<std::unique_ptr<Call>> calls_;  // in order of arrival
  std::unique_ptr<Call> incoming_;           // being read
  Call* waiting_ = nullptr;                  // the last of calls_, not let in yet
  std::chrono::seconds retry_after_{0};      // > 0: waiting_ was refused for now
  grpc::Alarm alarm_;
  bool alarm_set_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool no_more_ = false;  // the client is done, or the stream is to end
  bool cancelled_ = false;
  bool broken_ = false;  // responses behind the refused one are not sent
  bool finished_ = false;
  grpc::Status final_;
};

}  // namespace levada::ingest
