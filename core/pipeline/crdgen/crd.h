#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "levada/v1/options.pb.h"

// The CustomResourceDefinition `pipelines.levada.dev`, made from the schema alone.
//
//   absl::StatusOr<std::string> yaml = Crd(descriptors);   //
//   manifests/crd/pipelines.levada.dev.yaml
//
// What it leaves out on purpose:
//   - Defaults. The compiler of the plan applies them. Written by the API server they would fill
//     what `kubectl get -o yaml` shows with what nobody wrote, and a better default in a later
//     version would never reach the pipelines that are there. The descriptions name them.
//   - The scale subresource. It has room for one number of replicas, and a pipeline has one a
//   stage.
//     An object a stage just to hold that number would double what the stage's Deployment is; so
//     that is what `kubectl scale`, a HorizontalPodAutoscaler or KEDA scale, and the operator
//     leaves the replicas of a stage without `replicas` and `autoscaling` to them.
//   - The category `all`: `kubectl delete all --all` would delete pipelines.
//   - What needs more than the resource or costs too much as a rule: names of topics that nothing
//     declares, expressions, unique names of rules. The webhook and the operator check these.
//
// Thread-safety: pure functions.
namespace levada::pipeline {

// `descriptors` is a serialized FileDescriptorSet of the schema, with comments.
absl::StatusOr<std::string> Crd(std::string_view descriptors);

// A regular expression for all text that is of this format, and for little else; empty where there
// is none. It must never refuse what the reader takes.
std::string_view PatternOf(v1::Format format);

}  // namespace levada::pipeline
