#include "core/base/strings.h"
#include "operator/render/names.h"
#include "operator/render/world.h"

namespace levada::render {

// The slice, under a name that changes with it: pods of an older ReplicaSet that start again (or to
// which a rollout goes back) find the slice that they were made for.
Json RenderSlice(const StageView& stage) {
  Json object = NewObject(kube::kConfigMaps, stage,
                          base::StrCat(stage.object_name, "-", stage.planned.slice_hash));
  object["metadata"]["labels"][std::string(kSliceHash)] = stage.planned.slice_hash;
  object["data"] = {{"slice.yaml", stage.planned.slice_yaml}};
  object["immutable"] = true;
  return object;
}

}  // namespace levada::render
