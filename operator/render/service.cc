#include "operator/render/names.h"
#include "operator/render/world.h"

namespace levada::render {
namespace {

// What proxies and meshes go by; Kubernetes' own names.
const char* AppProtocol(const PublicPort& port) {
  if (port.tls) return "https";
  return port.name == "grpc" ? "kubernetes.io/h2c" : "http";
}

}  // namespace

// Where clients of an ingest stage or of a detector go.
Json RenderService(const StageView& stage) {
  Json object = NewObject(kube::kServices, stage, stage.object_name);
  Json ports = Json::array();
  for (const PublicPort& port : PublicPorts(stage.stage)) {
    ports.push_back({{"name", port.name},
                     {"port", port.number},
                     {"targetPort", port.name},
                     {"protocol", "TCP"},
                     {"appProtocol", AppProtocol(port)}});
  }
  object["spec"] = {{"type", "ClusterIP"}, {"selector", stage.Selector()}, {"ports", ports}};
  return object;
}

// The addresses of all the pipeline's workers, ready or not, with the port of their metrics: for
// scrapers that look for endpoints, and for people.
Json RenderMetricsService(const World& world) {
  Json object = NewObject(kube::kServices, world, SharedName(world.pipeline()));
  object["spec"] = {{"clusterIP", "None"},
                    {"publishNotReadyAddresses", true},
                    {"selector", SelectorLabels(world.pipeline())},
                    {"ports", Json::array({{{"name", "metrics"},
                                            {"port", OwnPorts().metrics},
                                            {"targetPort", "metrics"},
                                            {"protocol", "TCP"}}})}};
  return object;
}

}  // namespace levada::render
