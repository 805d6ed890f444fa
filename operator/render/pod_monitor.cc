#include "operator/render/names.h"
#include "operator/render/world.h"

namespace levada::render {

// Has Prometheus' operator scrape all the pipeline's workers.
Json RenderPodMonitor(const World& world) {
  Json object = NewObject(kube::kPodMonitors, world, SharedName(world.pipeline()));
  object["metadata"]["labels"].update(world.settings.monitor_labels);
  // The workers' own labels `namespace`, `pipeline` and `stage` stand.
  Json endpoint = {{"port", "metrics"}, {"path", "/metrics"}, {"honorLabels", true}};
  if (!world.settings.scrape_interval.empty()) {
    endpoint["interval"] = world.settings.scrape_interval;
  }
  object["spec"] = {{"selector", {{"matchLabels", SelectorLabels(world.pipeline())}}},
                    {"podMetricsEndpoints", Json::array({endpoint})}};
  return object;
}

}  // namespace levada::render
