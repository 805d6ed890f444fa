#include "core/base/strings.h"
#include "operator/render/names.h"
#include "operator/render/world.h"

namespace levada::render {
namespace {

// A rollout must not double a record. What that takes, by kind:
//
//   ingest http, grpc  surge: a request is answered by one worker, wherever it is
//   ingest file        never two: each would read the whole file
//   ingest schedule    never two: each would make all events
//   scoring            surge: partitions are handed over in order, and the transaction of a worker
//                      that has lost them is refused by Kafka (KIP-447)
//   indexing           surge: a document's version tells what is newer
//   notify             surge: partitions go over with all sends settled in the send log
//   archiving          surge where many nodes can mount the volume, since a commit is taken by one
//                      worker alone; otherwise never two, as the second would wait for the volume
//
// With a surge the old workers run on until the new ones are ready, so that a change that cannot
// start stops nothing.
bool MayOverlap(const v1::Stage& stage) {
  if (HasOneWorker(stage)) return false;
  if (!stage.has_archiving()) return true;
  const v1::Volume volume = VolumeOf(stage);
  return volume.claim().empty() && volume.access_mode() == v1::ACCESS_MODE_READ_WRITE_MANY;
}

Json Strategy(const v1::Stage& stage) {
  if (!MayOverlap(stage)) return {{"type", "Recreate"}};
  return {{"type", "RollingUpdate"},
          {"rollingUpdate", {{"maxSurge", "25%"}, {"maxUnavailable", 0}}}};
}

}  // namespace

Json RenderDeployment(const StageView& stage) {
  Json object = NewObject(kube::kDeployments, stage, stage.object_name);
  object["metadata"]["annotations"] = {{std::string(kSliceHash), stage.planned.slice_hash}};
  Json& spec = object["spec"];
  if (const std::optional<int> replicas = ReplicasOf(stage)) spec["replicas"] = *replicas;
  spec["selector"] = {{"matchLabels", stage.Selector()}};
  spec["strategy"] = Strategy(stage.stage);
  // A worker that ends at once was not there.
  spec["minReadySeconds"] = 5;
  spec["progressDeadlineSeconds"] = 600;
  // Each keeps its slice (Leftovers).
  spec["revisionHistoryLimit"] = 2;
  spec["template"] = RenderPodTemplate(stage);
  return object;
}

}  // namespace levada::render
