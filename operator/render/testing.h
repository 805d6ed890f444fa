#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/pipeline/plan.h"
#include "operator/render/render.h"
#include "operator/render/tests.h"

// For the tests of this folder. They run in the root of the repository.
namespace levada::render {

// A pipeline on a cluster where every Secret and ConfigMap exists and so do all CRDs. Tests change
// what they are about.
struct Scene {
  explicit Scene(const std::string& manifest);
  static Scene OfFile(const std::string& name);

  pipeline::Plan plan() const;
  // What its tests run in, and all else.
  std::vector<kube::Json> Objects() const;
  render::Tests Tests() const;
  // The object of that kind and name; null if there is none.
  kube::Json Object(std::string_view kind, std::string_view name) const;
  kube::Json Deployment(std::string_view stage) const;
  kube::Json PodSpec(std::string_view stage) const;
  kube::Json Worker(std::string_view stage) const;  // its container
  // The annotations of the stage's pods: where they differ, the stage is rolled.
  kube::Json PodAnnotations(std::string_view stage) const;
  // Paths in the container by what is mounted there: volume name, or "volume/subPath".
  std::map<std::string, std::string> MountPaths(std::string_view stage) const;

  v1::Pipeline pipeline;
  kube::Json live;
  Settings settings;
  Facts facts;
  std::vector<kube::Json> jobs;  // of its tests
  int64_t now_micros = 0;
};

// Objects as people read them: YAML documents, texts of several lines as blocks.
std::string ToYaml(const kube::Json& object);

// A pipeline with one stage, given in flow style: OneStage("{name: a, ingest: …}").
std::string OneStage(std::string_view stage, std::string_view more_spec = "");

}  // namespace levada::render
