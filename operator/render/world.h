#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/pipeline/plan.h"
#include "operator/kube/object.h"
#include "operator/kube/resource.h"
#include "operator/render/settings.h"

// What each kind of object is rendered from, and what all objects have in common. Inside
// operator/render only; one file a kind.
//
//   Json RenderService(const StageView& stage) {
//     Json object = NewObject(kube::kServices, stage, stage.object_name);
//     object["spec"] = ...
//
// Threads: plain data and pure functions.
namespace levada::render {

using kube::Json;

struct World {
  const pipeline::Plan& plan;
  const Json& live;
  const Settings& settings;
  const Facts& facts;

  const std::string& pipeline() const { return plan.pipeline.metadata().name(); }
  std::string name_space() const { return kube::NamespaceOf(live); }
  bool paused() const { return plan.pipeline.spec().paused(); }
};

struct StageView {
  const World& world;
  const pipeline::PlannedStage& planned;
  const v1::Stage& stage;  // with what is the cluster's alone, which the slice does not have
  std::string object_name;

  Json Selector() const;
};

StageView ViewOf(const World& world, const pipeline::PlannedStage& planned);

// apiVersion, kind and metadata: name, namespace, labels, controlled by the pipeline.
Json NewObject(const kube::Resource& resource, const World& world, const std::string& name);
Json NewObject(const kube::Resource& resource, const StageView& stage, const std::string& name);

// A port that the manifest names: of an ingest stage or of a detector.
struct PublicPort {
  std::string name;  // "http", "grpc"
  int number = 0;
  bool tls = false;
};
std::vector<PublicPort> PublicPorts(const v1::Stage& stage);

// The worker's own ports, beside those: metrics and health; control.
struct OwnPorts {
  int metrics = 9600;
  int control = 9601;
};
OwnPorts OwnPortsOf(const v1::Stage& stage);

// A worker that no second one may run beside: it reads a whole file or makes all events.
bool HasOneWorker(const v1::Stage& stage);
// The replicas that the Deployment asks for; nullopt: somebody else decides.
std::optional<int> ReplicasOf(const StageView& stage);
// A stage that may have several workers at some time.
bool MayHaveSeveral(const StageView& stage);

// The volume of an archiving stage, defaults applied.
v1::Volume VolumeOf(const v1::Stage& stage);
// The claim that it mounts: the stage's own or the one that is named.
std::string ClaimOf(const StageView& stage);

// One object, or one kind of them.
Json RenderServiceAccount(const World& world);
Json RenderMetricsService(const World& world);
Json RenderSharedKafkaCa(const World& world);
Json RenderSlice(const StageView& stage);
Json RenderVolumeClaim(const StageView& stage);
Json RenderService(const StageView& stage);
Json RenderNetworkPolicy(const StageView& stage);
Json RenderDisruptionBudget(const StageView& stage);
Json RenderDeployment(const StageView& stage);
Json RenderPodTemplate(const StageView& stage);
Json RenderPodMonitor(const World& world);
Json RenderAlerts(const World& world);
Json RenderDashboard(const World& world);

}  // namespace levada::render
