#include "operator/render/names.h"
#include "operator/render/world.h"

namespace levada::render {

// Whom the workers run as: it has no rights, and no token of it is mounted.
Json RenderServiceAccount(const World& world) {
  Json object = NewObject(kube::kServiceAccounts, world, SharedName(world.pipeline()));
  object["automountServiceAccountToken"] = false;
  return object;
}

}  // namespace levada::render
