#include "operator/render/world.h"

namespace levada::render {

// One worker at a time where there may be several, whatever their number is just now: autoscaling
// does not touch it. A worker that is not ready waits for Kafka, say, and holds no node back.
Json RenderDisruptionBudget(const StageView& stage) {
  Json object = NewObject(kube::kPodDisruptionBudgets, stage, stage.object_name);
  object["spec"] = {{"maxUnavailable", 1},
                    {"selector", {{"matchLabels", stage.Selector()}}},
                    {"unhealthyPodEvictionPolicy", "AlwaysAllow"}};
  return object;
}

}  // namespace levada::render
