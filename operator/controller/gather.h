#pragma once

#include <map>
#include <string>

#include "core/pipeline/plan.h"
#include "operator/controller/cluster.h"
#include "operator/controller/kafka_state.h"
#include "operator/kube/object.h"
#include "operator/render/settings.h"

// What a look at a pipeline reads of the operator's copy of the cluster.
//
// Threads: any.
namespace levada::controller {

// The Secrets and ConfigMaps that the plan needs.
Cluster::References ReferencesOf(const pipeline::Plan& plan);

// What rendering depends on; the replicas are not in it.
render::Facts RenderFactsOf(const Cluster& cluster, const kube::ObjectKey& key,
                            const pipeline::Plan& plan);

KafkaState::Wanted WantedOf(const Cluster& cluster, const kube::Json& pipeline,
                            const pipeline::Plan& plan, bool hold = false);

// The pipeline's own, by stage.
std::map<std::string, kube::Json> DeploymentsOf(const Cluster& cluster, const kube::Json& pipeline);

}  // namespace levada::controller
