#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "core/kafka/client.h"
#include "operator/controller/kafka_state.h"
#include "operator/topics/cluster.h"

// The controller's view of Kafka (controller/kafka_state.h), carried out on real clusters.
//
//   auto kafka = topics::MakeKafkaState({.config = [&](const kube::Json& pipeline,
//                                                      const pipeline::Plan& plan) {
//     return kafka::ConfigFor(plan.pipeline, "", secret_value, file_text);
//   }});
//
// Each Kafka, by its address and credentials, has a thread and connections of its own. A secret
// that was changed makes a new one.
//
// Threads: any. Nothing but `config` is waited for.
namespace levada::topics {

struct Options {
  // How the pipeline's Kafka is reached; must not wait for Kafka. Called by Want and Delete.
  std::function<absl::StatusOr<kafka::ClientConfig>(const kube::Json& pipeline,
                                                    const pipeline::Plan& plan)>
      config;
  Timing timing;
};

std::unique_ptr<controller::KafkaState> MakeKafkaState(Options options);

}  // namespace levada::topics
