#include "core/pipeline/resource_json.h"
#include "operator/render/world.h"

namespace levada::render {

v1::Volume VolumeOf(const v1::Stage& stage) {
  v1::Pipeline alone;
  *alone.mutable_spec()->add_stages()->mutable_pod()->mutable_volume() = stage.pod().volume();
  pipeline::ApplyDefaults(&alone);
  return alone.spec().stages(0).pod().volume();
}

std::string ClaimOf(const StageView& stage) {
  const std::string& claim = stage.stage.pod().volume().claim();
  return claim.empty() ? stage.object_name : claim;
}

// The volume of a stage that writes to a folder. It outlives the stage, and unless the pipeline's
// deletionPolicy is Delete the pipeline too.
Json RenderVolumeClaim(const StageView& stage) {
  Json object = NewObject(kube::kPersistentVolumeClaims, stage, stage.object_name);
  if (stage.world.plan.pipeline.spec().deletion_policy() != v1::DELETION_POLICY_DELETE) {
    object["metadata"].erase("ownerReferences");
  }
  const Json volume = Json::parse(pipeline::ToJson(VolumeOf(stage.stage)));
  Json& spec = object["spec"];
  spec["accessModes"] = Json::array({volume.at("accessMode")});
  spec["resources"]["requests"]["storage"] = volume.at("size");
  if (volume.contains("storageClassName")) spec["storageClassName"] = volume["storageClassName"];
  return object;
}

}  // namespace levada::render
