#include "services/scoring/model.h"

#include <cmath>
#include <limits>

#include "core/base/strings.h"
#include "core/pipeline/schema.h"
#include "services/scoring/probe.h"
#include "services/scoring/reload_probe.h"
#include "services/scoring/reloaded.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

// Scores the events of a batch with a model.
class ModelStep : public Step {
 public:
  struct Input {
    expr::Program value;
    int field = -1;  // slot of the scan, where the input is just a field: absent means missing
  };

  ModelStep(std::unique_ptr<Reloaded<Model>> model, std::vector<Input> inputs, double scale,
            int score_slot, int version_slot, ModelProbe probe)
      : model_(std::move(model)),
        inputs_(std::move(inputs)),
        scale_(scale),
        score_slot_(score_slot),
        version_slot_(version_slot),
        probe_(probe) {}

  std::string_view kind() const override { return "model"; }
  bool barrier() const override { return true; }

  Verdict Apply(Event& event) override {
    const size_t begin = event.row * inputs_.size();
    if (matrix_.size() < begin + inputs_.size()) matrix_.resize(2 * (begin + inputs_.size()));
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!Read(event, i, &matrix_[begin + i])) return Verdict::kFail;
    }
    return Verdict::kKeep;
  }

  absl::Status Run(size_t rows) override {
    absl::Status status = model_->current().Predict(matrix_.data(), rows, &scores_);
    if (status.ok()) probe_.Predicted(scores_);
    return status;
  }

  void Finish(Event& event) override {
    const auto prediction = static_cast<double>(scores_[event.row]);
    event.activation.Set(score_slot_, expr::Value::Double(prediction * scale_));
    event.activation.Set(version_slot_, expr::Value::String(model_->current().version()));
  }

  // The version is part of events until here.
  void EndBatch() override { model_->Turn(); }

 private:
  bool Read(Event& event, size_t i, float* number) {
    const Input& input = inputs_[i];
    if (input.field >= 0 && event.activation.RawField(input.field).kind == json::Kind::kAbsent) {
      *number = kMissing;
      return true;
    }
    const expr::Value value = input.value.Eval(event.activation);
    switch (value.kind()) {
      case expr::Kind::kDouble:
        *number = static_cast<float>(value.real());
        return true;
      case expr::Kind::kInt:
        *number = static_cast<float>(value.integer());
        return true;
      case expr::Kind::kUint:
        *number = static_cast<float>(value.unsigned_integer());
        return true;
      case expr::Kind::kBool:
        *number = value.boolean() ? 1.0f : 0.0f;
        return true;
      case expr::Kind::kNull:
      case expr::Kind::kNone:
        *number = kMissing;
        return true;
      default:
        error_ = base::StrCat(
            "input `", input.value.source(), "`: ",
            value.ok() ? base::StrCat("a number is expected, not ", expr::KindName(value.kind()))
                       : std::string(value.text()));
        event.error = error_;
        return false;
    }
  }

  std::unique_ptr<Reloaded<Model>> model_;
  std::vector<Input> inputs_;
  const double scale_;
  const int score_slot_;
  const int version_slot_;
  ModelProbe probe_;
  std::vector<float> matrix_;  // rows × inputs
  std::vector<float> scores_;
  std::string error_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Step>> MakeModel(const StepContext& context) {
  const v1::Model& config = context.step.model();
  std::vector<ModelStep::Input> inputs;
  for (const std::string& source : config.inputs()) {
    auto value = CompileFor(context, "model input", source, expr::Type::Dyn());
    if (!value.ok()) return value.status();
    const int field = value->copied_field();
    inputs.push_back({*std::move(value), field});
  }
  const bool onnx = !config.onnx().empty();
  const auto load = [onnx, count = config.inputs_size()](const std::string& path) {
    return onnx ? LoadOnnx(path, count) : LoadXgboost(path, count);
  };
  auto model = Reloaded<Model>::Start(
      context.stage.FilePath(onnx ? config.onnx() : config.xgboost()), load,
      ReloadProbe(context.stage.registry, context.stage.Labels(), "model", config.as()));
  if (!model.ok()) return model.status();
  const int score = context.env.DeclareSlot(config.as(), pipeline::ModelScoreType());
  const int version = context.env.DeclareSlot(config.version_as(), pipeline::ModelVersionType());
  return std::make_unique<ModelStep>(
      *std::move(model), std::move(inputs), config.scale(), score, version,
      ModelProbe(context.stage.registry, context.stage.Labels(), config.as()));
}

}  // namespace levada::scoring
