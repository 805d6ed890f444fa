#include "operator/controller/gate.h"

#include <algorithm>
#include <utility>

#include "core/base/strings.h"
#include "operator/controller/pod_trouble.h"
#include "operator/kube/conditions.h"

namespace levada::controller {
namespace {

using kube::Json;
using kube::ObjectKey;
using Outcome = render::Tests::Outcome;

// While they run. They mostly take less; whoever has to wait for an image is told so.
constexpr std::chrono::seconds kLookAgain{5};
// While they wait for their turn; times how many rounds there are before it.
constexpr std::chrono::seconds kAskForTurn{1};

bool HasEnded(const Json& job) {
  const Json* conditions = kube::Find(job, {"status", "conditions"});
  return kube::IsBeingDeleted(job) ||
         (conditions != nullptr &&
          (kube::IsTrue(*conditions, "Complete") || kube::IsTrue(*conditions, "Failed")));
}

}  // namespace

Gate::Seen Gate::At(const Json& pipeline, const pipeline::Plan& plan,
                    const render::Settings& settings, const render::Facts& facts) {
  if (plan.pipeline.spec().tests_size() == 0) {
    const std::lock_guard lock(mutex_);
    turns_.Done(kube::KeyOf(pipeline));
    return {};
  }
  std::vector<Json> jobs = cluster_.OwnedBy(pipeline, kube::kJobs);
  std::erase_if(
      jobs, [&](const Json& job) { return kube::ControllerUidOf(job) != kube::UidOf(pipeline); });
  const int64_t now = clock_.WallMicros();
  Seen seen{.tests = render::DecideTests(plan, pipeline, settings, facts, jobs, now)};
  TakeTurn(kube::KeyOf(pipeline), now, &seen);
  if (seen.tests.job_uid.empty()) return seen;
  if (seen.tests.outcome == Outcome::kRunning) seen.again = kLookAgain;
  if (seen.tests.again_micros) {
    seen.again = std::chrono::microseconds(std::max<int64_t>(0, *seen.tests.again_micros - now));
  }
  if (seen.tests.outcome != Outcome::kPassed) seen.said = SaidBy(pipeline, seen.tests);
  return seen;
}

void Gate::TakeTurn(const ObjectKey& pipeline, int64_t now_micros, Seen* seen) {
  render::Tests& tests = seen->tests;
  const std::lock_guard lock(mutex_);
  BeginTurns(now_micros);
  if (tests.outcome != Outcome::kRunning) return turns_.Done(pipeline);
  if (!tests.job_uid.empty()) return turns_.Begin(pipeline, tests.job, now_micros);
  const std::optional<size_t> ahead = turns_.Take(
      pipeline, tests.job, now_micros,
      [&](const ObjectKey& other, const Turns::Turn& turn) { return HasEnded(other, turn); });
  if (!ahead) return;
  tests.outcome = Outcome::kWaiting;
  tests.why = base::StrCat("the tests wait for their turn: those of ", Turns::kMost,
                           " other pipelines run");
  tests.objects.clear();
  seen->again = kAskForTurn * (1 + *ahead / Turns::kMost);
}

void Gate::BeginTurns(int64_t now_micros) {
  if (std::exchange(begun_, true)) return;
  for (const ObjectKey& key : cluster_.Pipelines()) {
    const std::optional<Json> pipeline = cluster_.Pipeline(key);
    if (!pipeline) continue;
    for (const Json& job : cluster_.OwnedBy(*pipeline, kube::kJobs)) {
      if (!controller::HasEnded(job)) turns_.Begin(key, kube::NameOf(job), now_micros);
    }
  }
}

bool Gate::HasEnded(const ObjectKey& pipeline, const Turns::Turn& turn) const {
  const std::optional<Json> live = cluster_.Pipeline(pipeline);
  if (!live) return true;
  for (const Json& job : cluster_.OwnedBy(*live, kube::kJobs)) {
    if (kube::NameOf(job) == turn.job) return controller::HasEnded(job);
  }
  return false;  // it is about to be made
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
  turns_.Done(pipeline);
}

}  // namespace levada::controller
