#include "services/scoring/scoring.h"

#include "core/pipeline/plan.h"
#include "core/runtime/stateful.h"
#include "services/scoring/chain.h"
#include "services/scoring/detector.h"
#include "services/scoring/peers/address.h"

namespace levada::scoring {
namespace {

class Scoring : public runtime::Processor {
 public:
  Scoring(const runtime::StageContext& context, std::unique_ptr<Chain> chain,
          std::unique_ptr<Detector> detector)
      : context_(context), chain_(std::move(chain)), detector_(std::move(detector)) {}

  const std::vector<std::string>& output_topics() const override { return chain_->output_topics(); }
  absl::Status Process(const Batch& in, OutputBatch* out) override {
    return chain_->Process(in, out);
  }
  runtime::Stateful* state() override { return chain_->state(); }
  std::vector<runtime::StepReached> Coverage() const override { return chain_->Coverage(); }

  absl::Status StartServing() override {
    if (detector_ == nullptr) return absl::OkStatus();
    auto certificate =
        peers::ReadCertificate(context_.secrets, context_.stage.scoring().serve().tls_secret_ref());
    if (!certificate.ok()) return certificate.status();
    if (absl::Status status = StartForwarding(*certificate); !status.ok()) return status;
    auto server = DetectorServer::Start(context_, *certificate, detector_.get());
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  void StopServing() override {
    server_.reset();
    forwarder_.reset();
  }

  std::string client_id() const override {
    if (forwarder_ == nullptr || server_ == nullptr) return "";
    std::string_view ip = context_.advertise;
    // All addresses are none that others could use.
    if (ip.empty() && context_.listen != "0.0.0.0" && context_.listen != "::") ip = context_.listen;
    return peers::ClientId(ip, server_->grpc_port());
  }

 private:
  // A stage that remembers events answers where they are remembered.
  absl::Status StartForwarding(const peers::Certificate& certificate) {
    if (chain_->state() == nullptr || chain_->state()->changelog().empty()) return absl::OkStatus();
    const std::string stage = context_.stage.name();
    auto directory = peers::NewDirectory(
        peers::LookAtGroup(context_.kafka, pipeline::ConsumerGroup(context_.pipeline, stage),
                           context_.stage.scoring().from()));
    auto forwarder = peers::Forwarder::Create(std::move(directory), certificate, context_.registry,
                                              context_.Labels());
    if (!forwarder.ok()) return forwarder.status();
    detector_->set_forwarder(forwarder->get());
    forwarder_ = *std::move(forwarder);
    return absl::OkStatus();
  }

  const runtime::StageContext& context_;
  std::unique_ptr<Chain> chain_;
  std::unique_ptr<Detector> detector_;
  std::unique_ptr<peers::Forwarder> forwarder_;
  std::unique_ptr<DetectorServer> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<runtime::Processor>> MakeScoring(
    const runtime::StageContext& context) {
  auto chain = Chain::Make(context);
  if (!chain.ok()) return chain.status();
  std::unique_ptr<Detector> detector;
  if (context.stage.scoring().has_serve() && !context.pipe) {
    auto own = Chain::Make(context, chain->get());
    if (!own.ok()) return own.status();
    detector = std::make_unique<Detector>(*std::move(own),
                                          context.FindTopic(context.stage.scoring().from()));
  }
  return std::make_unique<Scoring>(context, *std::move(chain), std::move(detector));
}

}  // namespace levada::scoring
