#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "operator/kube/client.h"
#include "operator/render/settings.h"

// How the operator that looks after a namespace is installed, as far as its Deployment says it: the
// settings that it renders pipelines with.
//
// Threads: any; each call blocks its own.
namespace levada::cli {

struct Installation {
  render::Settings settings;
  bool known = false;
  std::string source;  // "Deployment levada-system/levada-operator", or why they are not known
};

// Not known: no such Deployment, or this user may not see it; the settings are then those of an
// operator without flags.
absl::StatusOr<Installation> OperatorSettings(kube::Client& client, const std::string& name_space);

}  // namespace levada::cli
