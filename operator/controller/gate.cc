#include "operator/controller/gate.h"

#include <algorithm>

#include "core/base/strings.h"
#include "operator/controller/pod_trouble.h"

namespace levada::controller {
namespace {

using kube::Json;
using kube::ObjectKey;
using Outcome = render::Tests::Outcome;

// While they run. They mostly take less; whoever has to wait for an image is told so.
constexpr std::chrono::seconds kLookAgain{5};

}  // namespace

Gate::Seen Gate::At(const Json& pipeline, const pipeline::Plan& plan,
                    const render::Settings& settings, const render::Facts& facts) {
  if (plan.pipeline.spec().tests_size() == 0) return {};
  std::vector<Json> jobs = cluster_.OwnedBy(pipeline, kube::kJobs);
  std::erase_if(
      jobs, [&](const Json& job) { return kube::ControllerUidOf(job) != kube::UidOf(pipeline); });
  const int64_t now = clock_.WallMicros();
  Seen seen{.tests = render::DecideTests(plan, pipeline, settings, facts, jobs, now)};
  if (seen.tests.job_uid.empty()) return seen;
  if (seen.tests.outcome == Outcome::kRunning) seen.again = kLookAgain;
  if (seen.tests.again_micros) {
    seen.again = std::chrono::microseconds(std::max<int64_t>(0, *seen.tests.again_micros - now));
  }
  if (seen.tests.outcome != Outcome::kPassed) seen.said = SaidBy(pipeline, seen.tests);
  return seen;
}

std::string Gate::SaidBy(const Json& pipeline, const render::Tests& tests) {
  const ObjectKey key = kube::KeyOf(pipeline);
  const bool last = tests.outcome == Outcome::kFailed;
  Said before;
  {
    const std::lock_guard lock(mutex_);
    if (const auto said = said_.find(key); said != said_.end()) before = said->second;
  }
  if (before.job_uid != tests.job_uid) before = {};
  if (before.last) return before.text;
  const auto pods = client_.List(
      kube::kPods,
      {.name_space = key.name_space,
       .label_selector = base::StrCat("batch.kubernetes.io/controller-uid=", tests.job_uid)});
  if (!pods.ok()) return before.text;
  std::string text;
  std::string newest;  // of the pods
  for (const Json& pod : *pods) {
    const std::string made = kube::TextAt(pod, {"metadata", "creationTimestamp"});
    std::string end = EndOf(pod);
    if (made < newest || end.empty()) continue;
    newest = made;
    text = std::move(end);
  }
  // A Job that runs out of time takes its pods with it: what they waited for until then is why.
  if (last && text.empty()) text = before.text;
  const std::lock_guard lock(mutex_);
  said_[key] = {tests.job_uid, text, last};
  return text;
}

void Gate::Forget(const ObjectKey& pipeline) {
  const std::lock_guard lock(mutex_);
  said_.erase(pipeline);
}

}  // namespace levada::controller
