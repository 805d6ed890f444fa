#include "operator/render/world.h"

#include <algorithm>

#include "operator/render/names.h"

namespace levada::render {
namespace {

Json NewObject(const kube::Resource& resource, const World& world, const std::string& name,
               Json labels) {
  return {{"apiVersion", resource.ApiVersion()},
          {"kind", resource.kind},
          {"metadata",
           {{"name", name},
            {"namespace", world.name_space()},
            {"labels", std::move(labels)},
            {"ownerReferences", Json::array({kube::OwnerReference(world.live)})}}}};
}

}  // namespace

Json StageView::Selector() const { return SelectorLabels(world.pipeline(), planned.name); }

StageView ViewOf(const World& world, const pipeline::PlannedStage& planned) {
  return {world, planned, *pipeline::FindStage(world.plan.pipeline, planned.name),
          ObjectName(world.pipeline(), planned.name)};
}

Json NewObject(const kube::Resource& resource, const World& world, const std::string& name) {
  return NewObject(resource, world, name, Labels(world.pipeline()));
}

Json NewObject(const kube::Resource& resource, const StageView& stage, const std::string& name) {
  return NewObject(resource, stage.world, name,
                   Labels(stage.world.pipeline(), stage.planned.name, stage.planned.service));
}

std::vector<PublicPort> PublicPorts(const v1::Stage& stage) {
  std::vector<PublicPort> ports;
  const auto add = [&](const char* name, uint32_t number, const std::string& tls_secret) {
    ports.push_back({name, static_cast<int>(number), !tls_secret.empty()});
  };
  const v1::Ingest& ingest = stage.ingest();
  if (ingest.has_http()) add("http", ingest.http().port(), ingest.http().tls_secret_ref());
  if (ingest.has_grpc()) add("grpc", ingest.grpc().port(), ingest.grpc().tls_secret_ref());
  if (stage.scoring().has_serve()) {
    const v1::Serve& serve = stage.scoring().serve();
    add("http", serve.port(), serve.tls_secret_ref());
    add("grpc", serve.grpc_port(), serve.tls_secret_ref());
  }
  return ports;
}

OwnPorts OwnPortsOf(const v1::Stage& stage) {
  const std::vector<PublicPort> taken = PublicPorts(stage);
  const auto is_free = [&](int number) {
    return std::none_of(taken.begin(), taken.end(),
                        [&](const PublicPort& port) { return port.number == number; });
  };
  OwnPorts ports;
  while (!is_free(ports.metrics)) ++ports.metrics;
  ports.control = ports.metrics + 1;
  while (!is_free(ports.control)) ++ports.control;
  return ports;
}

bool HasOneWorker(const v1::Stage& stage) {
  return stage.ingest().has_file() || stage.ingest().has_schedule();
}

std::optional<int> ReplicasOf(const StageView& stage) {
  if (stage.world.paused()) return 0;
  std::optional<int> replicas;
  const auto decided = stage.world.facts.replicas.find(stage.planned.name);
  if (decided != stage.world.facts.replicas.end()) {
    replicas = decided->second;
  } else if (stage.stage.has_replicas()) {
    replicas = static_cast<int>(stage.stage.replicas());
  }
  if (HasOneWorker(stage.stage)) return std::min(replicas.value_or(1), 1);
  return replicas;
}

bool MayHaveSeveral(const StageView& stage) {
  if (HasOneWorker(stage.stage)) return false;
  if (stage.stage.has_autoscaling()) return stage.stage.autoscaling().max_replicas() != 1;
  return !stage.stage.has_replicas() || stage.stage.replicas() > 1;
}

}  // namespace levada::render
