#include "services/ingest/serve_source.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "core/base/log.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/runtime/control.h"

namespace levada::ingest {
namespace {

// Longer than a record may wait for Kafka (the producer's delivery time-out).
constexpr std::chrono::seconds kDrainDeadline{35};
constexpr std::chrono::seconds kCloseDeadline{2};
constexpr std::chrono::milliseconds kWatchEvery{200};

struct Pem {
  std::string certificate;
  std::string key;
};

absl::StatusOr<Pem> ReadTls(const base::Secrets& secrets, const std::string& name) {
  if (name.empty()) return Pem{};
  auto certificate = secrets.Get(name, "tls.crt");
  if (!certificate.ok()) return certificate.status();
  auto key = secrets.Get(name, "tls.key");
  if (!key.ok()) return key.status();
  return Pem{*std::move(certificate), *std::move(key)};
}

absl::Status FindTopic(kafka::Admin& admin, const std::string& name) {
  const auto topics = admin.Describe({name});
  if (!topics.ok()) return topics.status();
  if (topics->contains(name)) return absl::OkStatus();
  return absl::NotFoundError(base::StrCat("topic ", name, " does not exist"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServeSource>> ServeSource::Create(
    const runtime::StageContext& context, Intake& intake, Probe& probe) {
  const v1::Ingest& ingest = context.stage.ingest();
  std::unique_ptr<ServeSource> source(new ServeSource(context, intake, probe));
  if (ingest.has_http()) {
    auto tls = ReadTls(context.secrets, ingest.http().tls_secret_ref());
    if (!tls.ok()) return tls.status();
    const auto size = base::ParseBytes(ingest.http().max_request_size());
    if (!size.ok()) return size.status();
    HttpEndpoint::Options& options = source->http_options_;
    options.address = context.listen;
    options.port = static_cast<uint16_t>(ingest.http().port());
    options.path = ingest.http().path();
    options.max_request_bytes = static_cast<size_t>(*size);
    options.max_batch = ingest.http().max_batch();
    options.tls_certificate = std::move(tls->certificate);
    options.tls_key = std::move(tls->key);
    options.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 4u));
  }
  if (ingest.has_grpc()) {
    auto tls = ReadTls(context.secrets, ingest.grpc().tls_secret_ref());
    if (!tls.ok()) return tls.status();
    GrpcEndpoint::Options& options = source->grpc_options_;
    options.address = context.listen;
    options.port = static_cast<uint16_t>(ingest.grpc().port());
    options.tls_certificate = std::move(tls->certificate);
    options.tls_key = std::move(tls->key);
  }
  return source;
}

absl::Status ServeSource::Run(const std::function<void()>& ready) {
  auto admin = kafka::Admin::Create(context_.kafka);
  if (!admin.ok()) return admin.status();
  absl::Status status = FindTopic(**admin, context_.stage.ingest().to());
  if (status.ok()) status = Listen();
  if (!status.ok()) return status;
  ready();
  while (stopper_.Sleep(kWatchEvery)) Watch(**admin);
  Drain();
  return absl::OkStatus();
}

absl::Status ServeSource::Listen() {
  const v1::Ingest& ingest = context_.stage.ingest();
  if (ingest.has_http() && http_ == nullptr) {
    auto http = HttpEndpoint::Start(http_options_, intake_, probe_);
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
    base::LogInfo("listening",
                  {{"transport", "http"}, {"port", http_->port()}, {"path", http_options_.path}});
  }
  if (ingest.has_grpc() && grpc_ == nullptr) {
    auto grpc = GrpcEndpoint::Start(grpc_options_, intake_, probe_);
    if (!grpc.ok()) return grpc.status();
    grpc_ = *std::move(grpc);
    base::LogInfo("listening", {{"transport", "grpc"}, {"port", grpc_->port()}});
  }
  return absl::OkStatus();
}

// Says what people and probes should know. While Kafka is away nobody may send us anything (we are
// not ready), so that its return has to be looked for.
void ServeSource::Watch(kafka::Admin& admin) {
  runtime::Control& control = context_.control;
  if (intake_.kafka_failed() && admin.WaitForBroker(std::chrono::seconds(1)).ok()) {
    intake_.KafkaIsBack();
  }
  if (control.paused() && control.state() == runtime::State::kRunning) {
    control.Set(runtime::State::kPaused, "asked to pause");
  } else if (!control.paused() && control.state() == runtime::State::kPaused) {
    control.Set(runtime::State::kRunning);
  }
}

void ServeSource::Drain() {
  intake_.BeginDrain();
  if (http_) http_->BeginDrain();
  if (grpc_) grpc_->BeginDrain();
  if (!intake_.WaitUntilIdle(kDrainDeadline)) {
    base::LogError("drained without all answers of Kafka");
  }
  if (http_) http_->Stop(kCloseDeadline);
  if (grpc_) grpc_->Stop(kCloseDeadline);
}

}  // namespace levada::ingest
