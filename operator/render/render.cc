#include "operator/render/render.h"

#include <algorithm>
#include <set>

#include "operator/render/names.h"
#include "operator/render/world.h"

namespace levada::render {
namespace {

constexpr char kKafka[] = "kafka";  // the connection that carries a pipeline's topics

// Kind and name of an object; they are all in the pipeline's namespace.
std::pair<std::string, std::string> IdOf(const Json& object) {
  return {kube::TextAt(object, {"kind"}), kube::NameOf(object)};
}

// The names of the ConfigMaps that a ReplicaSet's pods mount.
void AddMountedConfigMaps(const Json& replica_set, std::set<std::string>* names) {
  const Json* volumes = kube::Find(replica_set, {"spec", "template", "spec", "volumes"});
  if (volumes == nullptr || !volumes->is_array()) return;
  for (const Json& volume : *volumes) names->insert(kube::TextAt(volume, {"configMap", "name"}));
}

// Not where the pipeline has a Kafka of its own, or another source of that file.
bool HasSharedKafkaCa(const World& world) {
  const auto& files = world.plan.pipeline.spec().files();
  return std::any_of(files.begin(), files.end(), [&](const v1::MountedFile& file) {
    return IsSharedKafkaCa(world.pipeline(), file);
  });
}

void RenderStage(const StageView& stage, std::vector<Json>* objects) {
  objects->push_back(RenderSlice(stage));
  if (stage.stage.has_archiving() && stage.stage.pod().volume().claim().empty()) {
    objects->push_back(RenderVolumeClaim(stage));
  }
  if (!PublicPorts(stage.stage).empty()) objects->push_back(RenderService(stage));
  if (stage.world.settings.network_policies) objects->push_back(RenderNetworkPolicy(stage));
  if (MayHaveSeveral(stage)) objects->push_back(RenderDisruptionBudget(stage));
  objects->push_back(RenderDeployment(stage));
}

}  // namespace

void Complete(const Settings& settings, v1::Pipeline* pipeline) {
  v1::PipelineSpec& spec = *pipeline->mutable_spec();
  if (!settings.kafka || spec.connections().contains(kKafka)) return;
  v1::KafkaConnection& kafka = *(*spec.mutable_connections())[kKafka].mutable_kafka();
  kafka = settings.kafka->connection;
  if (settings.kafka->ca.empty()) return;
  kafka.mutable_tls()->set_ca_file(std::string(kSharedKafkaCa));
  v1::MountedFile& file = *spec.add_files();
  file.set_path(std::string(kSharedKafkaCa));
  file.set_config_map(SharedKafkaCaName(pipeline->metadata().name(), settings.kafka->ca));
}

const std::vector<const kube::Resource*>& Kinds() {
  static const std::vector<const kube::Resource*> kKinds = {&kube::kServiceAccounts,
                                                            &kube::kConfigMaps,
                                                            &kube::kPersistentVolumeClaims,
                                                            &kube::kServices,
                                                            &kube::kNetworkPolicies,
                                                            &kube::kPodDisruptionBudgets,
                                                            &kube::kJobs,
                                                            &kube::kDeployments,
                                                            &kube::kPodMonitors,
                                                            &kube::kPrometheusRules};
  return kKinds;
}

std::vector<Json> Render(const pipeline::Plan& plan, const Json& live, const Settings& settings,
                         const Facts& facts) {
  const World world{plan, live, settings, facts};
  std::vector<Json> objects = {RenderServiceAccount(world), RenderMetricsService(world)};
  if (HasSharedKafkaCa(world)) objects.push_back(RenderSharedKafkaCa(world));
  for (const pipeline::PlannedStage& stage : plan.stages) {
    RenderStage(ViewOf(world, stage), &objects);
  }
  if (settings.pod_monitors && facts.has_pod_monitors) objects.push_back(RenderPodMonitor(world));
  if (settings.alerts && facts.has_prometheus_rules) objects.push_back(RenderAlerts(world));
  if (settings.dashboards) objects.push_back(RenderDashboard(world));
  return objects;
}

std::vector<Json> Released(const pipeline::Plan& plan, const std::vector<Json>& wanted,
                           const std::vector<Json>& owned) {
  std::vector<Json> released;
  if (plan.pipeline.spec().deletion_policy() == v1::DELETION_POLICY_DELETE) return released;
  std::set<std::pair<std::string, std::string>> kept;
  for (const Json& object : wanted) kept.insert(IdOf(object));
  for (const Json& object : owned) {
    if (IdOf(object).first != kube::kPersistentVolumeClaims.kind) continue;
    if (!kube::ControllerUidOf(object).empty() && !kept.contains(IdOf(object))) {
      released.push_back(object);
    }
  }
  return released;
}

std::vector<Json> Leftovers(const std::vector<Json>& wanted, const std::vector<Json>& owned) {
  std::set<std::pair<std::string, std::string>> kept;
  for (const Json& object : wanted) kept.insert(IdOf(object));
  std::set<std::string> mounted;
  for (const Json& object : owned) {
    if (IdOf(object).first == kube::kReplicaSets.kind) AddMountedConfigMaps(object, &mounted);
  }
  std::vector<Json> left;
  for (const Json& object : owned) {
    const auto [kind, name] = IdOf(object);
    if (kind == kube::kReplicaSets.kind || kind == kube::kPersistentVolumeClaims.kind) continue;
    if (kind == kube::kConfigMaps.kind && mounted.contains(name)) continue;
    if (!kept.contains({kind, name})) left.push_back(object);
  }
  return left;
}

}  // namespace levada::render
