#pragma once

#include <string>
#include <vector>

#include "core/pipeline/plan.h"
#include "operator/kube/object.h"
#include "operator/kube/resource.h"
#include "operator/render/inputs.h"
#include "operator/render/settings.h"

// From a compiled plan to the Kubernetes objects that carry it out: the same plan, hence the same
// slices and the same programs, as `levada run`.
//
//   v1::Pipeline pipeline = ...;                        // read and checked
//   Complete(settings, &pipeline);                      // the installation's Kafka
//   const pipeline::Plan plan = pipeline::Compile(pipeline);
//   for (const Input& input : InputsOf(plan)) facts.versions[input] = ...;
//   for (const Json& object : Render(plan, live, settings, facts)) client.Apply(object);
//   for (const Json& object : Leftovers(wanted, owned)) client.Delete(object);
//
// The result depends on the arguments alone and is the same each time, byte for byte. Every object
// is controlled by the pipeline and goes with it; a volume only with `deletionPolicy: Delete`.
//
// Threads: pure functions.
namespace levada::render {

// Puts in what the installation has for every pipeline: its Kafka, where the pipeline has none.
// Before Compile: it is part of the slices.
void Complete(const Settings& settings, v1::Pipeline* pipeline);

// The wanted objects, in the order in which they are best applied. `live` is the Pipeline as the
// API server has it (name, namespace, uid). A stage's Deployment comes after all that it needs.
std::vector<kube::Json> Render(const pipeline::Plan& plan, const kube::Json& live,
                               const Settings& settings, const Facts& facts);

// The kinds that Render and DecideTests (operator/render/tests.h) make, in their order.
const std::vector<const kube::Resource*>& Kinds();

// Those of `owned` (objects of the kinds of Kinds() that the pipeline controls, and ReplicaSets)
// that are wanted no more. Kept are ConfigMaps that an older ReplicaSet needs, since its pods may
// still run or be rolled back to; volumes, which hold data; and ReplicaSets, which are Kubernetes'.
std::vector<kube::Json> Leftovers(const std::vector<kube::Json>& wanted,
                                  const std::vector<kube::Json>& owned);

// Those of `owned` that are to be let go: volumes of stages that are gone, which would be deleted
// with the pipeline since it had another deletionPolicy once.
std::vector<kube::Json> Released(const pipeline::Plan& plan, const std::vector<kube::Json>& wanted,
                                 const std::vector<kube::Json>& owned);

}  // namespace levada::render
