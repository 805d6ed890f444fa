#include "operator/controller/look.h"

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "operator/controller/gather.h"
#include "operator/kube/errors.h"
#include "operator/render/inputs.h"
#include "operator/render/names.h"
#include "operator/render/render.h"

namespace levada::controller {
namespace {

using kube::Json;
using kube::ObjectKey;

// `kubectl annotate pipeline NAME levada.dev/reconcile=paused`: the operator keeps its hands off.
constexpr std::string_view kReconcile = "levada.dev/reconcile";
// Holds the Pipeline until its topics are deleted, with `deletionPolicy: Delete`.
constexpr std::string_view kFinalizer = "levada.dev/topics";
// A deletion is not held up for longer, whatever is left then.
constexpr std::chrono::seconds kDeleteWithin{60};
// Until the copy of the cluster has caught up.
constexpr std::chrono::milliseconds kSoon{50};
// After a Secret could not be read.
constexpr std::chrono::seconds kAskAgain{10};

bool DeletesTopics(const Checked& checked) {
  return checked.valid &&
         checked.plan.pipeline.spec().deletion_policy() == v1::DELETION_POLICY_DELETE;
}

// By its status: "orders, orders.dead-letters".
std::string ManagedTopicsOf(const Json& pipeline) {
  std::string managed;
  if (const Json* topics = kube::Find(pipeline, {"status", "topics"})) {
    for (const Json& topic : *topics) {
      if (!topic.value("managed", false)) continue;
      base::StrAppend(&managed, managed.empty() ? "" : ", ", kube::TextAt(topic, {"name"}));
    }
  }
  return managed.empty() ? "none is known" : managed;
}

// Of all that Render and Write depend on.
uint64_t BasisOf(const Cluster& cluster, const Json& pipeline, const render::Facts& facts,
                 const render::Tests& tests) {
  std::string basis = base::StrCat(kube::UidOf(pipeline), "\n", kube::GenerationOf(pipeline), "\n",
                                   facts.has_pod_monitors, facts.has_prometheus_rules, "\n",
                                   tests.hold, tests.objects.size(), tests.job, "\n");
  for (const auto& [input, version] : facts.versions) {
    base::StrAppend(&basis, static_cast<int>(input.kind), "/", input.name, "=", version, "\n");
  }
  for (const auto& [stage, replicas] : facts.replicas) {
    base::StrAppend(&basis, stage, "=", replicas, "\n");
  }
  return base::HashCombine(base::HashBytes(basis), cluster.VersionOfOwned(pipeline));
}

int WantedReplicas(const std::vector<Json>& wanted, std::string_view stage, const Json& live) {
  for (const Json& object : wanted) {
    if (kube::TextAt(object, {"kind"}) == "Deployment" &&
        kube::LabelOf(object, render::kStageLabel) == stage) {
      if (const Json* replicas = kube::Find(object, {"spec", "replicas"})) {
        return replicas->get<int>();
      }
    }
  }
  // It is as wanted, or whoever scales the Deployment decides; Kubernetes begins with one.
  const Json* replicas = kube::Find(live, {"spec", "replicas"});
  return replicas == nullptr ? 1 : replicas->get<int>();
}

// What this process does not know yet of a stage stays as the status has it.
void TakeOver(const Json& pipeline, StageFacts* facts) {
  const Json* rows = kube::Find(pipeline, {"status", "stages"});
  if (rows == nullptr || !rows->is_array()) return;
  for (const Json& row : *rows) {
    if (kube::TextAt(row, {"name"}) != facts->name) continue;
    if (facts->lag < 0) facts->lag = row.value("lag", int64_t{-1});
    if (facts->events_per_second < 0) facts->events_per_second = row.value("eventsPerSecond", -1.0);
  }
}

StageFacts FactsOf(const Json& pipeline, const pipeline::PlannedStage& stage,
                   const PipelineInKafka& kafka) {
  StageFacts facts;
  facts.name = stage.name;
  facts.kind = stage.kind;
  facts.slice_hash = stage.slice_hash;
  if (const auto load = kafka.stages.find(stage.name); load != kafka.stages.end()) {
    facts.lag = load->second.shown_lag;
    facts.events_per_second = load->second.shown_events_per_second;
  }
  if (kafka.ready.status == "True") TakeOver(pipeline, &facts);
  return facts;
}

void AgainWithin(kube::Clock::Duration span, Seen* seen) {
  seen->again = std::min(seen->again.value_or(span), span);
}

bool HasStatus(const Json& pipeline, const Json& status) {
  const Json* before = kube::Find(pipeline, {"status"});
  return before != nullptr && *before == status;
}

}  // namespace

Seen Look::At(const ObjectKey& key) {
  const std::optional<Json> pipeline = world_.cluster.Pipeline(key);
  if (!pipeline) {
    world_.kafka.Forget(key);
    world_.checks.Forget(key);
    world_.scaling.Forget(key);
    world_.cluster.Refer(key, {});
    gate_.Forget(key);
    const std::lock_guard lock(mutex_);
    ending_.erase(key);
    clean_.erase(key);
    return {.gone = true};
  }
  // Also of one that is left alone otherwise: its finalizer must not hold it for ever.
  if (kube::IsBeingDeleted(*pipeline)) return End(*pipeline);
  if (kube::AnnotationOf(*pipeline, kReconcile) == "paused") {
    return {.phase = kube::TextAt(*pipeline, {"status", "phase"})};
  }
  return Keep(*pipeline);
}

Seen Look::Keep(const Json& pipeline) {
  const std::shared_ptr<const Checked> checked = world_.checks.Of(pipeline);
  Facts facts;
  facts.pipeline = &pipeline;
  facts.checked = checked.get();
  Seen seen{.valid = checked->valid, .phase = kube::TextAt(pipeline, {"status", "phase"})};
  if (checked->valid) {
    seen.status = SetFinalizer(pipeline, DeletesTopics(*checked));
    const ObjectKey key = kube::KeyOf(pipeline);
    world_.cluster.Refer(key, ReferencesOf(checked->plan));
    render::Facts wanted = RenderFactsOf(world_.cluster, key, checked->plan);
    Gate::Seen gate = gate_.At(pipeline, checked->plan, world_.settings, wanted);
    const PipelineInKafka kafka =
        world_.kafka.Want(WantedOf(world_.cluster, pipeline, checked->plan, gate.tests.hold));
    facts.topics = kafka.rows;
    facts.topics_ready = kafka.ready;
    if (gate.tests.hold && kafka.ready.reason == "Pending") {
      facts.topics_ready.message = "they are made and changed once the tests have passed";
    }
    facts.tests = std::move(gate.tests);
    facts.tests_said = std::move(gate.said);
    if (gate.again) AgainWithin(*gate.again, &seen);
    const absl::Status written = CarryOut(pipeline, *checked, std::move(wanted), kafka, &facts);
    if (kube::IsNamespaceTerminating(written)) return seen;
    if (kube::IsConflict(written)) {
      seen.again = kSoon;
      return seen;
    }
    seen.status.Update(written);
    if (kafka.ask_again) AgainWithin(kAskAgain, &seen);
  } else {
    facts.topics_ready = {.status = "Unknown",
                          .reason = "Invalid",
                          .message = "the topics of an invalid manifest are not known"};
    world_.events.Warning(pipeline, "Invalid", "Check", checked->problems);
  }
  seen.status.Update(WriteStatus(pipeline, facts, &seen.phase));
  const int64_t now = world_.clock.WallMicros();
  if (const std::optional<int64_t> next = NextChangeOf(facts, now)) {
    AgainWithin(std::chrono::microseconds(*next - now), &seen);
  }
  return seen;
}

absl::Status Look::CarryOut(const Json& pipeline, const Checked& checked, render::Facts wanted,
                            const PipelineInKafka& kafka, Facts* facts) {
  const ObjectKey key = kube::KeyOf(pipeline);
  std::map<std::string, Json> deployments = DeploymentsOf(world_.cluster, pipeline);
  const std::map<std::string, Scaled> scaled =
      world_.scaling.Of(pipeline, checked.plan, deployments, kafka, world_.clock.WallMicros());
  for (const auto& [stage, scale] : scaled) wanted.replicas[stage] = scale.replicas;
  std::vector<Json> objects;
  Written written = Make(pipeline, checked, wanted, facts->tests, deployments, &objects);
  // One that was just changed is not ready, however ready it was before: whoever waits for the new
  // generation must not be told so by the old one's pods.
  for (Json& deployment : written.deployments) {
    const std::string stage = kube::LabelOf(deployment, render::kStageLabel);
    deployments[stage] = std::move(deployment);
  }
  for (const pipeline::PlannedStage& stage : checked.plan.stages) {
    StageFacts stage_facts = FactsOf(pipeline, stage, kafka);
    stage_facts.reported = world_.workers.Of(key, stage.name);
    if (const auto live = deployments.find(stage.name); live != deployments.end()) {
      stage_facts.deployment = live->second;
    }
    if (const auto scale = scaled.find(stage.name); scale != scaled.end()) {
      stage_facts.autoscaling = scale->second.status;
    }
    stage_facts.replicas = WantedReplicas(objects, stage.name, stage_facts.deployment);
    stage_facts.missing = render::MissingInputs(checked.plan, stage, wanted);
    facts->stages.push_back(std::move(stage_facts));
  }
  for (const Change& change : written.changes) {
    base::LogInfo("changed",
                  {{"pipeline", key.ToText()}, {"object", change.object}, {"what", change.what}});
  }
  if (!written.changes.empty()) {
    world_.events.Normal(pipeline, "Changed", "Reconcile", Describe(written.changes));
  }
  if (facts->tests.outcome == render::Tests::Outcome::kFailed) {
    world_.events.Warning(pipeline, "TestsFailed", "Test", FailureOf(*facts));
  }
  if (!written.status.ok() && !kube::IsConflict(written.status)) {
    facts->write_error = base::StrCat(base::View(written.status.message()));
    world_.events.Warning(pipeline, "WriteFailed", "Reconcile", facts->write_error);
  }
  return written.status;
}

Written Look::Make(const Json& pipeline, const Checked& checked, const render::Facts& facts,
                   const render::Tests& tests, const std::map<std::string, Json>& deployments,
                   std::vector<Json>* wanted) {
  const ObjectKey key = kube::KeyOf(pipeline);
  // Before the objects are read: what changes in between is found by the next look.
  const uint64_t basis = BasisOf(world_.cluster, pipeline, facts, tests);
  {
    const std::lock_guard lock(mutex_);
    const auto clean = clean_.find(key);
    if (clean != clean_.end() && clean->second == basis) return {};
  }
  *wanted = tests.objects;
  std::vector<Owned> owned = world_.cluster.OwnedBy(pipeline);
  if (tests.hold) {
    // All else is neither wanted nor left over.
    std::erase_if(owned, [](const Owned& each) {
      return kube::LabelOf(each.object, render::kTestsLabel).empty();
    });
  } else {
    for (Json& object : render::Render(checked.plan, pipeline, world_.settings, facts)) {
      wanted->push_back(std::move(object));
    }
  }
  Written written = Write(world_.client, pipeline, checked.plan, *wanted, owned);
  if (tests.hold) Scale(world_.client, deployments, facts.replicas, &written);
  const std::lock_guard lock(mutex_);
  if (written.status.ok() && written.changes.empty()) {
    clean_[key] = basis;
  } else {
    clean_.erase(key);
  }
  return written;
}

absl::Status Look::SetFinalizer(const Json& pipeline, bool wanted) {
  if (kube::HasFinalizer(pipeline, kFinalizer) == wanted) return absl::OkStatus();
  Json finalizers = Json::array();
  if (const Json* now = kube::Find(pipeline, {"metadata", "finalizers"})) {
    for (const Json& finalizer : *now) {
      if (finalizer != kFinalizer) finalizers.push_back(finalizer);
    }
  }
  if (wanted) finalizers.push_back(kFinalizer);
  const Json patch = {
      {"metadata",
       {{"finalizers", finalizers}, {"resourceVersion", kube::ResourceVersionOf(pipeline)}}}};
  const absl::Status patched =
      world_.client.Patch(kube::kPipelines, kube::KeyOf(pipeline), kube::PatchType::kMerge, patch)
          .status();
  return absl::IsNotFound(patched) ? absl::OkStatus() : patched;
}

Seen Look::End(const Json& pipeline) {
  Seen seen{.phase = "Terminating"};
  if (!kube::HasFinalizer(pipeline, kFinalizer)) return seen;
  seen.status = EndTopics(pipeline, &seen);
  if (seen.status.ok()) {
    seen.status = SetFinalizer(pipeline, false);
  } else {
    // What comes of the deletion does not depend on it.
    ApplyStatus(pipeline, StatusOfEnding(pipeline, base::View(seen.status.message()),
                                         world_.clock.WallMicros()))
        .IgnoreError();
  }
  return seen;
}

absl::Status Look::EndTopics(const Json& pipeline, Seen* seen) {
  const auto leave = [&](std::string_view why) {
    world_.events.Warning(
        pipeline, "TopicsLeft", "Delete",
        base::StrCat(why, "; delete the topics by hand: ", ManagedTopicsOf(pipeline)));
    return absl::OkStatus();
  };
  if (kube::AnnotationOf(pipeline, kReconcile) == "paused") {
    return leave(base::StrCat("annotation ", kReconcile, " is `paused`"));
  }
  const std::shared_ptr<const Checked> checked = world_.checks.Of(pipeline);
  if (!checked->valid) return leave("the manifest is invalid");
  if (!DeletesTopics(*checked)) return absl::OkStatus();
  const std::optional<absl::Status> deleted =
      world_.kafka.Delete(WantedOf(world_.cluster, pipeline, checked->plan));
  if (deleted && deleted->ok()) return absl::OkStatus();
  const auto left = EndingSince(pipeline) + kDeleteWithin - world_.clock.Now();
  if (left <= kube::Clock::Duration::zero()) {
    return leave(base::StrCat("gave up after ", kDeleteWithin.count(), " s: ",
                              deleted ? base::View(deleted->message()) : "Kafka does not answer"));
  }
  seen->again = left;
  return absl::UnavailableError(
      base::StrCat("its topics and consumer groups are deleted first (`deletionPolicy: Delete`), ",
                   "which is given up ", kDeleteWithin.count(), " s after the operator began: ",
                   deleted ? base::View(deleted->message()) : "Kafka has not answered yet"));
}

// The time while no operator ran does not count: nobody has tried.
kube::Clock::Time Look::EndingSince(const Json& pipeline) {
  const std::lock_guard lock(mutex_);
  auto& [uid, since] = ending_[kube::KeyOf(pipeline)];
  if (uid != kube::UidOf(pipeline)) {
    uid = kube::UidOf(pipeline);
    since = world_.clock.Now();
  }
  return since;
}

absl::Status Look::WriteStatus(const Json& pipeline, const Facts& facts, std::string* phase) {
  Json status = StatusOf(facts, world_.clock.WallMicros());
  *phase = status["phase"].get<std::string>();
  if (HasStatus(pipeline, status)) return absl::OkStatus();
  const std::string old_phase = kube::TextAt(pipeline, {"status", "phase"});
  if (old_phase != *phase && *phase != "Invalid") {
    const Json* ready = kube::FindCondition(status["conditions"], "Ready");
    world_.events.Normal(pipeline, *phase, "Reconcile",
                         base::StrCat(old_phase.empty() ? "New" : old_phase, " -> ", *phase, ": ",
                                      kube::TextAt(*ready, {"message"})));
  }
  return ApplyStatus(pipeline, std::move(status));
}

absl::Status Look::ApplyStatus(const Json& pipeline, Json status) {
  if (HasStatus(pipeline, status)) return absl::OkStatus();
  // What it says of topics decides whose they are: an old view must not replace a newer one.
  const Json object = {{"metadata",
                        {{"name", kube::NameOf(pipeline)},
                         {"namespace", kube::NamespaceOf(pipeline)},
                         {"resourceVersion", kube::ResourceVersionOf(pipeline)}}},
                       {"status", std::move(status)}};
  const absl::Status written =
      world_.client.ApplyStatus(kube::kPipelines, object, {.force = true}).status();
  // The newer version comes by the watch, and is looked at then.
  return absl::IsNotFound(written) || kube::IsConflict(written) ? absl::OkStatus() : written;
}

}  // namespace levada::controller
