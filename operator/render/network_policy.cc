#include "operator/render/world.h"

namespace levada::render {
namespace {

Json Tcp(const char* port) { return {{"protocol", "TCP"}, {"port", port}}; }

}  // namespace

// Who may call a stage's pods. What the manifest opens is open to everybody: it is the pipeline's
// front door, and there the workers of a stage with a detector reach each other too. Control has no
// log-in, so that only the operator reaches it; the operator also asks for the status that the
// workers have beside their metrics.
//
// What they call is not restricted: Kafka, mail servers and webhooks are host names, of which a
// NetworkPolicy knows nothing. Who wants that adds a policy of his own; policies add up, and the
// label levada.dev/pipeline selects the pods.
Json RenderNetworkPolicy(const StageView& stage) {
  const Settings& settings = stage.world.settings;
  Json ingress = Json::array();
  Json front = Json::array();
  for (const PublicPort& port : PublicPorts(stage.stage)) front.push_back(Tcp(port.name.c_str()));
  if (!front.empty()) ingress.push_back({{"ports", front}});

  Json metrics = {{"ports", Json::array({Tcp("metrics")})}};
  if (!settings.metrics_from.empty()) metrics["from"] = settings.metrics_from;
  ingress.push_back(metrics);

  const Json name_space = {
      {"matchLabels", {{"kubernetes.io/metadata.name", settings.operator_namespace}}}};
  const Json pods = {{"matchLabels", settings.operator_labels}};
  ingress.push_back(
      {{"ports", Json::array({Tcp("control"), Tcp("metrics")})},
       {"from", Json::array({{{"namespaceSelector", name_space}, {"podSelector", pods}}})}});

  Json object = NewObject(kube::kNetworkPolicies, stage, stage.object_name);
  object["spec"] = {{"podSelector", {{"matchLabels", stage.Selector()}}},
                    {"policyTypes", Json::array({"Ingress"})},
                    {"ingress", ingress}};
  return object;
}

}  // namespace levada::render
