#include "cli/target/cluster.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_join.h"
#include "cli/target/local.h"
#include "cli/target/operator_settings.h"
#include "core/base/strings.h"
#include "operator/controller/check.h"
#include "operator/kube/conditions.h"
#include "operator/kube/errors.h"
#include "operator/topics/access.h"

namespace levada::cli {
namespace {

using kube::Json;

// What is not there is not known.
int64_t NumberAt(const Json& object, std::string_view name) {
  return kube::Find(object, {name}) == nullptr ? -1 : kube::IntAt(object, {name});
}

bool BoolAt(const Json& object, std::string_view name) {
  const Json* value = kube::Find(object, {name});
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

double DecimalAt(const Json& object, std::string_view name) {
  const Json* value = kube::Find(object, {name});
  return value != nullptr && value->is_number() ? value->get<double>() : -1;
}

template <typename Each>
void ForEachAt(const Json& object, std::initializer_list<std::string_view> path, const Each& each) {
  const Json* list = kube::Find(object, path);
  if (list == nullptr || !list->is_array()) return;
  for (const Json& element : *list) each(element);
}

StageRow StageOf(const Json& row, bool paused) {
  StageRow stage{.name = kube::TextAt(row, {"name"}), .kind = kube::TextAt(row, {"kind"})};
  stage.replicas = static_cast<int>(kube::IntAt(row, {"replicas"}));
  stage.ready_replicas = static_cast<int>(kube::IntAt(row, {"readyReplicas"}));
  const int64_t updated = kube::IntAt(row, {"updatedReplicas"});
  stage.ready = stage.ready_replicas >= stage.replicas && updated >= stage.replicas;
  stage.state = paused         ? "paused"
                : !stage.ready ? base::StrCat("rolling out: ", updated, " of ", stage.replicas,
                                              " new, ", stage.ready_replicas, " ready")
                : stage.replicas == 0 ? "at rest"
                                      : "running";
  stage.lag = NumberAt(row, "lag");
  stage.records_per_second = DecimalAt(row, "eventsPerSecond");
  stage.p50_ms = DecimalAt(row, "latencyP50Ms");
  stage.p99_ms = DecimalAt(row, "latencyP99Ms");
  stage.errors = NumberAt(row, "errors");
  stage.dead_letters = NumberAt(row, "deadLetters");
  stage.late_events = NumberAt(row, "lateEvents");
  stage.last_error = kube::TextAt(row, {"lastError"});
  stage.last_error_time = kube::TextAt(row, {"lastErrorTime"});
  stage.autoscaling = kube::TextAt(row, {"autoscaling", "message"});
  return stage;
}

TopicRow TopicOf(const Json& row) {
  return {.name = kube::TextAt(row, {"name"}),
          .role = kube::TextAt(row, {"role"}),
          .partitions = static_cast<int>(kube::IntAt(row, {"partitions"})),
          .ready = BoolAt(row, "ready"),
          .managed = BoolAt(row, "managed"),
          .message = kube::TextAt(row, {"message"})};
}

// Why the pipeline is not ready, from its conditions; empty: it is.
std::string WhyNotReady(const Json& pipeline) {
  const Json* conditions = kube::Find(pipeline, {"status", "conditions"});
  if (conditions == nullptr) {
    return "no operator has looked at it: see that one runs (kubectl get pods -A -l "
           "app.kubernetes.io/name=levada-operator)";
  }
  if (kube::IntAt(pipeline, {"status", "observedGeneration"}) < kube::GenerationOf(pipeline)) {
    return base::StrCat("the operator has not looked at generation ", kube::GenerationOf(pipeline),
                        " yet");
  }
  if (kube::IsTrue(*conditions, "Ready")) return "";
  // The one that Ready follows says more where the manifest is wrong.
  for (const char* type : {"Valid", "TopicsReady", "StagesReady", "Ready"}) {
    const Json* condition = kube::FindCondition(*conditions, type);
    if (condition != nullptr && kube::TextAt(*condition, {"status"}) != "True") {
      return base::StrCat(kube::TextAt(*condition, {"reason"}), ": ",
                          kube::TextAt(*condition, {"message"}));
    }
  }
  return "it is not ready";
}

std::vector<std::string> StageNames(const Json& pipeline) {
  std::vector<std::string> names;
  ForEachAt(pipeline, {"spec", "stages"},
            [&](const Json& stage) { names.push_back(kube::TextAt(stage, {"name"})); });
  return names;
}

// Who else has written `spec.paused`, and will write it again: "kubectl-client-side-apply".
std::string ManagersOfPaused(const Json& pipeline, const std::string& own) {
  std::set<std::string> managers;
  ForEachAt(pipeline, {"metadata", "managedFields"}, [&](const Json& entry) {
    const std::string manager = kube::TextAt(entry, {"manager"});
    if (manager != own && kube::Find(entry, {"fieldsV1", "f:spec", "f:paused"}) != nullptr) {
      managers.insert(manager);
    }
  });
  return absl::StrJoin(managers, ", ");
}

}  // namespace

absl::Status Explained(const absl::Status& status, const std::string& name_space) {
  std::string hint;
  if (kube::IsForbidden(status)) {
    hint = base::StrCat(". Ask for the role `view` (to look) or `edit` (to change) in namespace ",
                        name_space, ", which include pipelines");
  } else if (absl::IsUnauthenticated(status)) {
    hint = ". The log-in of this context is refused: renew it";
  } else if (const auto error = kube::ApiErrorOf(status);
             error && error->code == 404 &&
             error->message.find("could not find the requested resource") != std::string::npos) {
    hint = ". Levada is not installed there: its CRD is missing";
  } else {
    return status;
  }
  return absl::Status(status.code(), base::StrCat(base::View(status.message()), hint));
}

PipelineView ViewOf(const Json& pipeline, const std::string& where) {
  PipelineView view{.name = kube::NameOf(pipeline),
                    .name_space = kube::NamespaceOf(pipeline),
                    .where = where,
                    .phase = kube::TextAt(pipeline, {"status", "phase"})};
  view.generation = kube::GenerationOf(pipeline);
  if (kube::Find(pipeline, {"status", "appliedGeneration"}) != nullptr) {
    view.applied_generation = kube::IntAt(pipeline, {"status", "appliedGeneration"});
  }
  view.message = WhyNotReady(pipeline);
  view.ready = view.message.empty();
  const bool paused = view.phase == "Paused";
  ForEachAt(pipeline, {"status", "conditions"}, [&](const Json& row) {
    view.conditions.push_back({.type = kube::TextAt(row, {"type"}),
                               .status = kube::TextAt(row, {"status"}),
                               .reason = kube::TextAt(row, {"reason"}),
                               .message = kube::TextAt(row, {"message"}),
                               .since = kube::TextAt(row, {"lastTransitionTime"})});
  });
  ForEachAt(pipeline, {"status", "stages"},
            [&](const Json& row) { view.stages.push_back(StageOf(row, paused)); });
  ForEachAt(pipeline, {"status", "topics"},
            [&](const Json& row) { view.topics.push_back(TopicOf(row)); });
  return view;
}

absl::StatusOr<PipelineView> ClusterTarget::View() {
  if (read_) {
    const PipelineView view = ViewOf(*read_, Where());
    read_.reset();
    return view;
  }
  const auto pipeline = cluster_.client->Get(kube::kPipelines, key_);
  if (!pipeline.ok()) return Explained(pipeline.status(), key_.name_space);
  return ViewOf(*pipeline, Where());
}

absl::StatusOr<std::string> ClusterTarget::SetPaused(bool paused, const std::string& stage) {
  if (!stage.empty()) {
    return absl::UnimplementedError(
        base::StrCat("on a cluster a pipeline is paused as a whole; to stop the stage ", stage,
                     " alone write `replicas: 0` at it in the manifest"));
  }
  const auto live = cluster_.client->Get(kube::kPipelines, key_);
  if (!live.ok()) return Explained(live.status(), key_.name_space);
  const Json* now = kube::Find(*live, {"spec", "paused"});
  const bool is_paused = now != nullptr && now->is_boolean() && now->get<bool>();
  if (is_paused == paused) {
    return base::StrCat(key_.ToText(), paused ? " is paused already" : " is not paused");
  }
  const Json patch = {{"spec", {{"paused", paused ? Json(true) : Json()}}}};
  const auto patched =
      cluster_.client->Patch(kube::kPipelines, key_, kube::PatchType::kMerge, patch);
  if (!patched.ok()) return Explained(patched.status(), key_.name_space);
  std::string said =
      paused ? base::StrCat(key_.ToText(), " paused: its workers finish what is under way and end")
             : base::StrCat(key_.ToText(), " goes on: its workers start");
  const std::string others = ManagersOfPaused(*live, cluster_.client->options().field_manager);
  if (!others.empty()) {
    base::StrAppend(&said, "\n`paused` also stands in the manifest that ", others,
                    " applies: change it there, or the next apply takes this back");
  }
  return said;
}

absl::Status ClusterTarget::Logs(const LogOptions& options,
                                 const std::function<void(const LogLine&)>& each,
                                 std::stop_token stop) {
  const auto pipeline = cluster_.client->Get(kube::kPipelines, key_);
  if (!pipeline.ok()) return Explained(pipeline.status(), key_.name_space);
  const std::vector<std::string> stages = StageNames(*pipeline);
  if (!options.stage.empty() &&
      std::find(stages.begin(), stages.end(), options.stage) == stages.end()) {
    return NoSuchStage(options.stage, stages);
  }
  return Explained(PodLogs(*cluster_.client, key_, options, each, std::move(stop)),
                   key_.name_space);
}

absl::StatusOr<OnKafka> ClusterTarget::Kafka(const std::string& brokers) {
  const auto pipeline = cluster_.client->Get(kube::kPipelines, key_);
  if (!pipeline.ok()) return Explained(pipeline.status(), key_.name_space);
  const auto settings = OperatorSettings(*cluster_.client, key_.name_space);
  if (!settings.ok()) return Explained(settings.status(), key_.name_space);
  const controller::Checked checked = controller::Check(*pipeline, settings->settings);
  if (!checked.valid) {
    return absl::InvalidArgumentError(
        base::StrCat("the manifest of ", key_.ToText(), " is wrong: ", checked.problems));
  }
  OnKafka on_kafka{.pipeline = checked.plan.pipeline};
  const bool known = on_kafka.pipeline.spec().connections().contains("kafka");
  if (!known && brokers.empty()) {
    return absl::FailedPreconditionError(base::StrCat(
        key_.ToText(), " has no connection `kafka`, and the Kafka of the operator is not known (",
        settings->source, "): say where it is with --kafka"));
  }
  auto config =
      topics::ConfigOf(*cluster_.client, settings->settings, key_.name_space, on_kafka.pipeline);
  if (!config.ok()) return Explained(config.status(), key_.name_space);
  on_kafka.config = *std::move(config);
  if (!brokers.empty()) on_kafka.config.brokers = brokers;
  return on_kafka;
}

}  // namespace levada::cli
