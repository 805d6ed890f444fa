#include "services/scoring/scoring.h"

#include "services/scoring/chain.h"
#include "services/scoring/detector.h"

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
    auto server = DetectorServer::Start(context_, detector_.get());
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }
  void StopServing() override { server_.reset(); }

 private:
  const runtime::StageContext& context_;
  std::unique_ptr<Chain> chain_;
  std::unique_ptr<Detector> detector_;
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
