#pragma once

#include <map>
#include <mutex>
#include <string>

#include "core/pipeline/plan.h"
#include "operator/autoscale/decide.h"
#include "operator/controller/kafka_state.h"
#include "operator/kube/object.h"

// Replicas of the stages that have `autoscaling`: gathers what autoscale/decide.h asks for and
// keeps what it wants to remember. What is lost with the process costs a cool-down.
//
//   const std::map<std::string, Scaled> scaled =
//       scaling.Of(pipeline, plan, deployments, kafka, clock.WallMicros());
//   facts.replicas["detect"] = scaled.at("detect").replicas;
//
// Threads: any; one call a pipeline at a time.
namespace levada::controller {

struct Scaled {
  int replicas = 0;
  kube::Json status;  // status.stages[].autoscaling
};

class Scaling {
 public:
  // By stage; `deployments` by stage too, those that are there.
  std::map<std::string, Scaled> Of(const kube::Json& pipeline, const pipeline::Plan& plan,
                                   const std::map<std::string, kube::Json>& deployments,
                                   const PipelineInKafka& kafka, int64_t now_micros);
  void Forget(const kube::ObjectKey& pipeline);

 private:
  struct Known {
    std::string uid;
    std::map<std::string, autoscale::History> stages;
  };
  std::mutex mutex_;
  std::map<kube::ObjectKey, Known> pipelines_;
};

}  // namespace levada::controller
