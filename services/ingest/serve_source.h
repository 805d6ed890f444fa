#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/kafka/admin.h"
#include "core/runtime/stage.h"
#include "services/ingest/grpc_endpoint.h"
#include "services/ingest/http_endpoint.h"
#include "services/ingest/intake.h"
#include "services/ingest/stopper.h"

// Takes events from clients, by HTTP, gRPC or both. Listens once Kafka and the topic are there.
//
// When told to stop: new requests get 503 or UNAVAILABLE, those under way their answer, and only
// then are the ports closed.
//
// Threads: Run in one; Stop from any.
namespace levada::ingest {

class ServeSource {
 public:
  static absl::StatusOr<std::unique_ptr<ServeSource>> Create(const runtime::StageContext& context,
                                                             Intake& intake, Probe& probe);

  // The intake is open.
  absl::Status Run(const std::function<void()>& ready);
  void Stop() { stopper_.Stop(); }

 private:
  ServeSource(const runtime::StageContext& context, Intake& intake, Probe& probe)
      : context_(context), intake_(intake), probe_(probe) {}

  absl::Status Listen();
  void Watch(kafka::Admin& admin);
  void Drain();

  const runtime::StageContext& context_;
  Intake& intake_;
  Probe& probe_;
  HttpEndpoint::Options http_options_;
  GrpcEndpoint::Options grpc_options_;
  std::unique_ptr<HttpEndpoint> http_;
  std::unique_ptr<GrpcEndpoint> grpc_;
  Stopper stopper_;
};

}  // namespace levada::ingest
