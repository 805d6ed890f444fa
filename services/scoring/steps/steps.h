#pragma once

#include "services/scoring/step.h"

// One constructor a kind of step; each in the file of its name.
namespace levada::scoring {

absl::StatusOr<std::unique_ptr<Step>> MakeFilter(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeSet(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeDrop(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeSelect(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeModel(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeRules(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeJoin(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeLookup(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeDedup(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeAnomaly(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeExplode(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeFeatures(const StepContext& context);
absl::StatusOr<std::unique_ptr<Step>> MakeWindow(const StepContext& context);

}  // namespace levada::scoring
