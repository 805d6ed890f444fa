#include "core/base/strings.h"
#include "services/scoring/steps/steps.h"

namespace levada::scoring {

absl::StatusOr<std::unique_ptr<Step>> MakeStep(const StepContext& context) {
  const v1::Step& step = context.step;
  if (step.has_filter()) return MakeFilter(context);
  if (step.set_size() > 0) return MakeSet(context);
  if (step.drop_size() > 0) return MakeDrop(context);
  if (step.select_size() > 0) return MakeSelect(context);
  if (step.has_model()) return MakeModel(context);
  if (step.has_rules()) return MakeRules(context);
  if (step.has_join()) return MakeJoin(context);
  if (step.has_lookup()) return MakeLookup(context);
  if (step.has_dedup()) return MakeDedup(context);
  if (step.has_explode()) return MakeExplode(context);
  if (step.has_features()) return MakeFeatures(context);
  if (step.has_window()) return MakeWindow(context);
  if (step.has_anomaly()) return MakeAnomaly(context);
  return absl::InvalidArgumentError("a step without a kind");
}

absl::StatusOr<expr::Program> CompileFor(const StepContext& context, std::string_view what,
                                         std::string_view source, expr::Type expected) {
  absl::StatusOr<expr::Program> program = expr::Compile(source, &context.env, expected);
  if (program.ok()) return program;
  return absl::InvalidArgumentError(
      base::StrCat(what, " `", source, "`: ", program.status().message()));
}

}  // namespace levada::scoring
