#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/kafka/client.h"
#include "levada/v1/pipeline.pb.h"
#include "operator/kube/client.h"
#include "operator/render/settings.h"

// How the Kafka of a pipeline on a cluster is reached: its connection `kafka`, with the values of
// the Secrets and the CA files that it names as the API server has them.
//
//   auto config = ConfigOf(client, settings, "shop", plan.pipeline);
//
// Threads: any; each call blocks its own.
namespace levada::topics {

// `pipeline` is complete (render::Complete), with `settings`.
absl::StatusOr<kafka::ClientConfig> ConfigOf(kube::Client& client, const render::Settings& settings,
                                             const std::string& name_space,
                                             const v1::Pipeline& pipeline);

}  // namespace levada::topics
