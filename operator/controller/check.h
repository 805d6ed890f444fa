#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/pipeline/plan.h"
#include "core/pipeline/problem.h"
#include "operator/kube/object.h"
#include "operator/render/settings.h"

// A Pipeline as the API server holds it, read, checked and compiled as `levada validate` and
// `levada plan` do it with a file.
//
//   const std::shared_ptr<const Checked> checked = checks.Of(pipeline);
//   if (!checked->valid) return Invalid(checked->problems);
//   for (const pipeline::PlannedStage& stage : checked->plan.stages) ...
//
// Threads: any.
namespace levada::controller {

struct Checked {
  bool valid = false;
  pipeline::Plan plan;   // where valid
  std::string problems;  // for people: "spec.stages[1].scoring.from: no topic `x`; …"
};

// Every problem of it, errors and warnings; `manifest` as far as it could be read. Status and
// what the API server keeps for itself are not looked at.
pipeline::Problems ProblemsOf(const kube::Json& pipeline, v1::Pipeline* manifest);

// Pure. Never fails on what a user wrote. `settings`: what the installation adds to the manifest.
Checked Check(const kube::Json& pipeline, const render::Settings& settings);

// Remembers the results for the pipelines that were looked at last: a spec changes far less often
// than it is looked at, and a plan takes thirty times the memory of its manifest.
class Checks {
 public:
  explicit Checks(const render::Settings& settings) : settings_(settings) {}

  std::shared_ptr<const Checked> Of(const kube::Json& pipeline);
  void Forget(const kube::ObjectKey& key);

 private:
  struct Entry {
    std::string uid;
    int64_t generation = 0;
    std::shared_ptr<const Checked> checked;
    uint64_t used = 0;
  };
  void DropOldest();

  const render::Settings settings_;
  std::mutex mutex_;
  std::map<kube::ObjectKey, Entry> entries_;
  uint64_t uses_ = 0;
};

}  // namespace levada::controller
