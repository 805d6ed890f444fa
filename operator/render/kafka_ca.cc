#include "operator/render/inputs.h"
#include "operator/render/names.h"
#include "operator/render/world.h"

namespace levada::render {

// The certificates of the installation's Kafka. A pod mounts from its own namespace alone, so that
// each pipeline has a copy. They are public; the log-in, which is not, is copied nowhere.
Json RenderSharedKafkaCa(const World& world) {
  const std::string& ca = world.settings.kafka->ca;
  Json object = NewObject(kube::kConfigMaps, world, SharedKafkaCaName(world.pipeline(), ca));
  v1::MountedFile file;
  file.set_path(std::string(kSharedKafkaCa));
  object["data"] = {{KeyOf(file), ca}};
  object["immutable"] = true;
  return object;
}

}  // namespace levada::render
