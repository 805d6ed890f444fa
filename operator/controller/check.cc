#include "operator/controller/check.h"

#include <algorithm>

#include "core/base/strings.h"
#include "core/pipeline/check.h"
#include "core/pipeline/manifest.h"
#include "operator/render/render.h"

namespace levada::controller {
namespace {

// A condition's message is read in a terminal: the first ones tell what to mend.
constexpr size_t kShownProblems = 10;
constexpr size_t kRemembered = 64;

std::string Describe(const pipeline::Problems& problems) {
  std::string text;
  size_t errors = 0;
  for (const pipeline::Problem& problem : problems.all()) {
    if (problem.severity != pipeline::Severity::kError) continue;
    if (++errors > kShownProblems) continue;
    if (errors > 1) text += "; ";
    base::StrAppend(&text, problem.path, problem.path.empty() ? "" : ": ", problem.message);
    if (!problem.hint.empty()) base::StrAppend(&text, " (", problem.hint, ")");
  }
  if (errors > kShownProblems) base::StrAppend(&text, "; and ", errors - kShownProblems, " more");
  return text;
}

}  // namespace

pipeline::Problems ProblemsOf(const kube::Json& pipeline, v1::Pipeline* manifest) {
  // A status may be larger than the manifest, and so may what the API server notes of its managers.
  kube::Json written = kube::Json::object();
  for (const char* key : {"apiVersion", "kind", "metadata", "spec"}) {
    if (pipeline.contains(key)) written[key] = pipeline[key];
  }
  kube::StripManagedFields(&written);
  const std::string text = written.dump(-1, ' ', false, kube::Json::error_handler_t::replace);
  pipeline::Manifests manifests = pipeline::ReadManifests(text, kube::KeyOf(pipeline).ToText());
  for (const pipeline::Document& document : manifests.documents) {
    manifests.problems.Append(pipeline::Check(document));
    *manifest = document.pipeline;
  }
  manifests.problems.Sort();
  return std::move(manifests.problems);
}

Checked Check(const kube::Json& pipeline, const render::Settings& settings) {
  Checked checked;
  v1::Pipeline manifest;
  const pipeline::Problems problems = ProblemsOf(pipeline, &manifest);
  if (problems.HasErrors()) {
    checked.problems = Describe(problems);
    return checked;
  }
  render::Complete(settings, &manifest);
  checked.valid = true;
  checked.plan = pipeline::Compile(manifest);
  return checked;
}

std::shared_ptr<const Checked> Checks::Of(const kube::Json& pipeline) {
  const kube::ObjectKey key = kube::KeyOf(pipeline);
  const std::string uid = kube::UidOf(pipeline);
  const int64_t generation = kube::GenerationOf(pipeline);
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.uid == uid &&
        found->second.generation == generation) {
      found->second.used = ++uses_;
      return found->second.checked;
    }
  }
  auto checked = std::make_shared<const Checked>(Check(pipeline, settings_));
  const std::lock_guard lock(mutex_);
  entries_[key] = {uid, generation, checked, ++uses_};
  if (entries_.size() > kRemembered) DropOldest();
  return checked;
}

void Checks::DropOldest() {
  entries_.erase(
      std::min_element(entries_.begin(), entries_.end(),
                       [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
}

void Checks::Forget(const kube::ObjectKey& key) {
  const std::lock_guard lock(mutex_);
  entries_.erase(key);
}

}  // namespace levada::controller
