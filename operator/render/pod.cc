#include <algorithm>

#include "core/base/strings.h"
#include "core/pipeline/expand.h"
#include "core/pipeline/resource_json.h"
#include "operator/render/inputs.h"
#include "operator/render/names.h"
#include "operator/render/volumes.h"
#include "operator/render/world.h"

// The pods of a stage.
//
// Workers get no `--instance`. A name that stays makes a consumer a static member, and a static
// member that ends in order keeps its partitions until its session times out, 10 s later: every
// rollout and every step of autoscaling would stop the partitions of each pod for so long. It also
// raises the time until the broker ends an open transaction from 10 s to 60 s, which the next
// worker only shortens by coming back under the same name; a pod that replaces another never does.
// Without it a drained worker hands over at once, and after a crash both times are 10 s.
namespace levada::render {
namespace {

constexpr int kEndpointsSettleSeconds = 5;

// The time in which a worker surely drains, by the limits of its own: ingest waits 35 s for Kafka's
// answers, a commit of scoring at most 60 s, sinks flush for 20 s and end what is under way.
int GraceSeconds(const v1::Stage& stage) {
  if (stage.has_scoring()) return 90;
  if (stage.has_archiving()) return 120;
  return 60;
}

std::string ImageOf(const StageView& stage) {
  const Settings& settings = stage.world.settings;
  if (!stage.stage.pod().image().empty()) return stage.stage.pod().image();
  const auto own = settings.images.find(stage.planned.kind);
  return own == settings.images.end() ? settings.image : own->second;
}

Json Arguments(const StageView& stage, const std::string& slice) {
  const Settings& settings = stage.world.settings;
  const OwnPorts ports = OwnPortsOf(stage.stage);
  Json arguments = {"--pipeline",  slice,
                    "--stage",     stage.planned.name,
                    "--listen",    settings.listen,
                    "--address",   settings.listen,
                    "--http-port", base::StrCat(ports.metrics),
                    "--grpc-port", base::StrCat(ports.control)};
  const auto add = [&](const char* flag, const char* value) {
    arguments.push_back(flag);
    arguments.push_back(value);
  };
  if (!SecretsOf(stage.planned).empty()) add("--secrets", kSecretsFolder);
  if (stage.stage.has_archiving()) add("--data", kDataFolder);
  if (pipeline::KeepsState(stage.stage.scoring())) add("--state", kStateFolder);
  add("--log-format", "json");
  return arguments;
}

Json ContainerPorts(const StageView& stage) {
  Json ports = Json::array();
  const auto add = [&](const std::string& name, int number) {
    ports.push_back({{"name", name}, {"containerPort", number}, {"protocol", "TCP"}});
  };
  for (const PublicPort& port : PublicPorts(stage.stage)) add(port.name, port.number);
  const OwnPorts own = OwnPortsOf(stage.stage);
  add("metrics", own.metrics);
  add("control", own.control);
  return ports;
}

Json Probe(const char* path, int period_s, int timeout_s, int failures) {
  return {{"httpGet", {{"path", path}, {"port", "metrics"}}},
          {"periodSeconds", period_s},
          {"timeoutSeconds", timeout_s},
          {"failureThreshold", failures}};
}

void AddProbes(Json* container) {
  // A worker answers once its model is loaded; that Kafka is away does not keep it from it.
  (*container)["startupProbe"] = Probe("/healthz", 1, 2, 300);
  (*container)["livenessProbe"] = Probe("/healthz", 10, 5, 3);
  (*container)["readinessProbe"] = Probe("/readyz", 3, 2, 2);
}

Json EnvOf(const StageView& stage, const Json& pod) {
  Json env = Json::array();
  const std::string& level = stage.world.settings.log_level;
  if (!level.empty()) env.push_back({{"name", "LEVADA_LOG_LEVEL"}, {"value", level}});
  if (stage.stage.scoring().has_serve()) {
    // Where the stage's other workers find this one's detector.
    env.push_back({{"name", "LEVADA_ADVERTISE"},
                   {"valueFrom", {{"fieldRef", {{"fieldPath", "status.podIP"}}}}}});
  }
  if (!pod.contains("env")) return env;
  for (const Json& variable : pod["env"]) {
    const auto same = std::find_if(
        env.begin(), env.end(), [&](const Json& own) { return own["name"] == variable["name"]; });
    if (same != env.end()) env.erase(same);
    env.push_back(variable);
  }
  return env;
}

Json Restricted() {
  return {{"allowPrivilegeEscalation", false},
          {"readOnlyRootFilesystem", true},
          {"capabilities", {{"drop", Json::array({"ALL"})}}}};
}

Json ResourcesOf(const StageView& stage, const Json& pod) {
  return stage.stage.pod().has_resources()
             ? pod["resources"]
             : Json::parse(pipeline::ToJson(stage.world.settings.resources));
}

// Brings the files that are in buckets. It runs before the worker, so that the same resources are
// enough for the pod.
Json FetchContainer(const StageView& stage, const Json& pod, const Mounts& mounts) {
  const Settings& settings = stage.world.settings;
  Json arguments = {"--pipeline", mounts.slice, "--to", kFetchedFolder};
  if (!SecretsOf(stage.planned, Reader::kFetch).empty()) {
    arguments.push_back("--secrets");
    arguments.push_back(kSecretsFolder);
  }
  Json container = {{"name", "fetch"},
                    {"image", ImageOf(stage)},
                    {"command", Json::array({"levada-fetch"})},
                    {"args", arguments},
                    {"volumeMounts", mounts.fetch_mounts},
                    {"securityContext", Restricted()},
                    // What it said last is why the pod does not start.
                    {"terminationMessagePolicy", "FallbackToLogsOnError"}};
  if (const Json resources = ResourcesOf(stage, pod); !resources.empty()) {
    container["resources"] = resources;
  }
  if (!settings.image_pull_policy.empty()) {
    container["imagePullPolicy"] = settings.image_pull_policy;
  }
  return container;
}

Json Container(const StageView& stage, const Json& pod, const Mounts& mounts) {
  const Settings& settings = stage.world.settings;
  Json container = {{"name", "worker"},
                    {"image", ImageOf(stage)},
                    {"command", Json::array({stage.planned.service})},
                    {"args", Arguments(stage, mounts.slice)},
                    {"ports", ContainerPorts(stage)},
                    {"volumeMounts", mounts.mounts}};
  container["securityContext"] = Restricted();
  AddProbes(&container);
  if (const Json resources = ResourcesOf(stage, pod); !resources.empty()) {
    container["resources"] = resources;
  }
  if (const Json env = EnvOf(stage, pod); !env.empty()) container["env"] = env;
  if (pod.contains("envFrom")) container["envFrom"] = pod["envFrom"];
  if (!settings.image_pull_policy.empty()) {
    container["imagePullPolicy"] = settings.image_pull_policy;
  }
  if (!PublicPorts(stage.stage).empty()) {
    // Connections come in until every node knows that the pod is going.
    container["lifecycle"]["preStop"]["exec"]["command"] =
        Json::array({"sleep", base::StrCat(kEndpointsSettleSeconds)});
  }
  return container;
}

Json SecurityContext(const StageView& stage) {
  const int64_t user = stage.world.settings.user_id;
  Json context = {{"runAsNonRoot", true}, {"seccompProfile", {{"type", "RuntimeDefault"}}}};
  if (user != 0) {
    context["runAsUser"] = user;
    context["runAsGroup"] = user;
    context["fsGroup"] = user;
    context["fsGroupChangePolicy"] = "OnRootMismatch";
  }
  for (const PublicPort& port : PublicPorts(stage.stage)) {
    if (port.number >= 1024) continue;
    // What a process without rights may otherwise not open; allowed in the restricted profile.
    context["sysctls"] =
        Json::array({{{"name", "net.ipv4.ip_unprivileged_port_start"}, {"value", "0"}}});
    break;
  }
  return context;
}

// The versions of all Secrets and ConfigMaps that the stage uses, in one text; empty for none.
std::string InputVersions(const StageView& stage) {
  std::string versions;
  const Facts& facts = stage.world.facts;
  for (const Input& input : InputsOf(stage.world.plan, stage.planned)) {
    const auto version = facts.versions.find(input);
    base::StrAppend(&versions, static_cast<int>(input.kind), "/", input.name, "=",
                    version == facts.versions.end() ? "" : version->second, "\n");
  }
  return versions;
}

Json Annotations(const StageView& stage, const Json& pod) {
  Json annotations = pod.value("annotations", Json::object());
  annotations[std::string(kSliceHash)] = stage.planned.slice_hash;
  if (const std::string versions = InputVersions(stage); !versions.empty()) {
    annotations[std::string(kInputsHash)] = ShortHash(versions);
  }
  if (const uint64_t nonce = stage.world.plan.pipeline.spec().restart_nonce(); nonce != 0) {
    annotations[std::string(kRestartNonce)] = base::StrCat(nonce);
  }
  return annotations;
}

}  // namespace

Json RenderPodTemplate(const StageView& stage) {
  const Settings& settings = stage.world.settings;
  const Json pod = Json::parse(pipeline::ToJson(stage.stage.pod()));
  const Mounts mounts = MountsOf(stage);
  Json labels = pod.value("labels", Json::object());
  labels.update(Labels(stage.world.pipeline(), stage.planned.name, stage.planned.service));
  Json spec = {
      {"serviceAccountName", pod.value("serviceAccountName", SharedName(stage.world.pipeline()))},
      {"automountServiceAccountToken", false},
      // Else every Service of the namespace is a few variables, some of them with our prefix.
      {"enableServiceLinks", false},
      {"terminationGracePeriodSeconds", GraceSeconds(stage.stage)},
      {"securityContext", SecurityContext(stage)},
      {"containers", Json::array({Container(stage, pod, mounts)})},
      {"volumes", mounts.volumes}};
  if (!mounts.fetch_mounts.empty()) {
    spec["initContainers"] = Json::array({FetchContainer(stage, pod, mounts)});
  }
  for (const char* key : {"nodeSelector", "tolerations", "affinity"}) {
    if (pod.contains(key)) spec[key] = pod[key];
  }
  if (!settings.image_pull_secrets.empty()) {
    spec["imagePullSecrets"] = settings.image_pull_secrets;
  }
  return {{"metadata", {{"labels", labels}, {"annotations", Annotations(stage, pod)}}},
          {"spec", spec}};
}

}  // namespace levada::render
