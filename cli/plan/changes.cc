#include "cli/plan/changes.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_split.h"
#include "cli/target/operator_settings.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "operator/controller/check.h"
#include "operator/controller/scaling.h"
#include "operator/controller/write.h"
#include "operator/kube/diff.h"
#include "operator/kube/errors.h"
#include "operator/render/inputs.h"
#include "operator/render/names.h"
#include "operator/render/render.h"

namespace levada::cli {
namespace {

using controller::Owned;
using kube::Json;

constexpr size_t kShownDifferences = 20;
constexpr size_t kShownLines = 12;
constexpr std::string_view kManaged = "app.kubernetes.io/managed-by=levada";

class Planner {
 public:
  Planner(const Cluster& cluster, const PlanOptions& options)
      : cluster_(cluster), options_(options) {}

  absl::StatusOr<ClusterChanges> Run(const Json& manifest) {
    const kube::ObjectKey key = kube::KeyOf(manifest);
    changes_.pipeline = key.ToText();
    changes_.cluster = cluster_.name;
    auto live = cluster_.client->Get(kube::kPipelines, key);
    if (!live.ok() && !absl::IsNotFound(live.status())) {
      return Explained(live.status(), cluster_.name_space);
    }
    changes_.is_new = !live.ok();
    const auto after =
        AfterApply(cluster_, live.ok() ? &*live : nullptr, manifest, &changes_.notes);
    if (!after.ok()) return after.status();
    auto installation = OperatorSettings(*cluster_.client, key.name_space);
    if (!installation.ok()) return Explained(installation.status(), cluster_.name_space);
    settings_ = std::move(installation->settings);
    changes_.installation = installation->source;
    if (!installation->known) {
      changes_.notes.push_back(base::StrCat("how the operator is installed is not known (",
                                            installation->source,
                                            "): what it adds to pods by default may differ"));
    }
    const controller::Checked checked = controller::Check(*after, settings_);
    if (!checked.valid) return absl::InvalidArgumentError(checked.problems);
    PlanTopics(cluster_, settings_, *after, checked.plan, options_, &changes_);
    if (absl::Status looked = LookAtObjects(*after, key); !looked.ok()) return looked;
    Compare(live.ok() ? &*live : nullptr, *after, checked.plan, installation->known);
    return std::move(changes_);
  }

 private:
  absl::Status LookAtObjects(const Json& pipeline, const kube::ObjectKey& key) {
    std::vector<const kube::Resource*> kinds = render::Kinds();
    kinds.push_back(&kube::kReplicaSets);
    for (const kube::Resource* kind : kinds) {
      auto found = cluster_.client->List(
          *kind,
          {.name_space = key.name_space,
           .label_selector = base::StrCat(kManaged, ",", render::kPipelineLabel, "=", key.name)});
      if (absl::IsNotFound(found.status())) continue;  // its CRD is not there
      if (kube::IsForbidden(found.status())) {
        changes_.notes.push_back(base::StrCat("this user may not see ", kind->plural,
                                              " in namespace ", key.name_space,
                                              ": what becomes of them is left out"));
        hidden_.insert(std::string(kind->kind));
        continue;
      }
      if (!found.ok()) return found.status();
      served_.insert(kind->kind);
      for (Json& object : *found) owned_.push_back({kind, std::move(object)});
    }
    for (const Owned& object : owned_) {
      if (*object.resource == kube::kDeployments &&
          kube::ControllerUidOf(object.object) == kube::UidOf(pipeline)) {
        deployments_[kube::LabelOf(object.object, render::kStageLabel)] = object.object;
      }
    }
    return absl::OkStatus();
  }

  render::Facts FactsOf(const Json& pipeline, const pipeline::Plan& plan) {
    render::Facts facts;
    facts.has_pod_monitors = served_.contains(kube::kPodMonitors.kind);
    facts.has_prometheus_rules = served_.contains(kube::kPrometheusRules.kind);
    for (const render::Input& input : render::InputsOf(plan)) {
      const bool secret = input.kind == render::Input::Kind::kSecret;
      const auto object = cluster_.client->Get(secret ? kube::kSecrets : kube::kConfigMaps,
                                               {kube::NamespaceOf(pipeline), input.name});
      if (object.ok()) {
        facts.versions[input] = kube::ResourceVersionOf(*object);
      } else if (!absl::IsNotFound(object.status())) {
        unknown_inputs_.insert(input);
        changes_.notes.push_back(base::StrCat(secret ? "Secret " : "ConfigMap ", input.name,
                                              " cannot be read: taken for unchanged"));
      }
    }
    controller::Scaling scaling;
    for (const auto& [stage, scaled] :
         scaling.Of(pipeline, plan, deployments_, {}, base::NowMicros())) {
      facts.replicas[stage] = scaled.replicas;
    }
    return facts;
  }

  // What is not known is taken to be as it is, so that no change is told which is none.
  void KeepUnknown(const pipeline::Plan& plan, bool settings_known, std::vector<Json>* wanted) {
    for (Json& object : *wanted) {
      if (kube::TextAt(object, {"kind"}) != kube::kDeployments.kind) continue;
      const std::string stage = kube::LabelOf(object, render::kStageLabel);
      const auto live = deployments_.find(stage);
      if (live == deployments_.end()) continue;
      for (const pipeline::PlannedStage& planned : plan.stages) {
        if (planned.name == stage) KeepInputs(plan, planned, live->second, &object);
      }
      const v1::Stage* manifest = pipeline::FindStage(plan.pipeline, stage);
      if (!settings_known && manifest != nullptr && manifest->pod().image().empty()) {
        Json& container = object["spec"]["template"]["spec"]["containers"][0];
        const Json* containers =
            kube::Find(live->second, {"spec", "template", "spec", "containers"});
        if (containers != nullptr && !containers->empty()) {
          container["image"] = kube::TextAt(containers->front(), {"image"});
        }
      }
    }
  }

  void KeepInputs(const pipeline::Plan& plan, const pipeline::PlannedStage& stage, const Json& live,
                  Json* wanted) const {
    const std::set<render::Input> inputs = render::InputsOf(plan, stage);
    const bool unknown = std::any_of(inputs.begin(), inputs.end(), [&](const auto& input) {
      return unknown_inputs_.contains(input);
    });
    const Json* annotations = kube::Find(live, {"spec", "template", "metadata", "annotations"});
    if (!unknown || annotations == nullptr || !annotations->contains(render::kInputsHash)) return;
    (*wanted)["spec"]["template"]["metadata"]["annotations"][std::string(render::kInputsHash)] =
        (*annotations)[std::string(render::kInputsHash)];
  }

  // The pods that the manifest which is there now asks for. What it names and the new one does not
  // cannot be seen by comparing with what runs.
  void RenderBefore(const Json& live, const render::Facts& facts) {
    const controller::Checked checked = controller::Check(live, settings_);
    if (!checked.valid) return;
    for (const Json& object : render::Render(checked.plan, live, settings_, facts)) {
      if (kube::TextAt(object, {"kind"}) != kube::kDeployments.kind) continue;
      before_[kube::LabelOf(object, render::kStageLabel)] = object["spec"]["template"];
    }
  }

  void Compare(const Json* live, const Json& pipeline, const pipeline::Plan& plan,
               bool settings_known) {
    const render::Facts facts = FactsOf(pipeline, plan);
    if (live != nullptr) RenderBefore(*live, facts);
    std::vector<Json> wanted = render::Render(plan, pipeline, settings_, facts);
    KeepUnknown(plan, settings_known, &wanted);
    std::erase_if(wanted, [&](const Json& object) {
      return hidden_.contains(kube::TextAt(object, {"kind"}));
    });
    const auto transport = std::make_shared<KeepingTransport>(cluster_.transport);
    kube::Client client(transport, cluster_.client->options());
    const controller::Written written = controller::Write(client, pipeline, plan, wanted, owned_);
    if (!written.status.ok()) {
      changes_.refused.push_back(std::string(written.status.message()));
    }
    for (const KeepingTransport::Write& write : transport->writes()) Note(write);
    for (const pipeline::PlannedStage& stage : plan.stages) CompareStage(plan, stage, facts);
    for (const auto& [stage, deployment] : deployments_) {
      if (pipeline::FindStage(plan.pipeline, stage) != nullptr) continue;
      changes_.stages.push_back(
          {.name = stage,
           .action = Action::kDelete,
           .reasons = {"its workers finish what is under way and end; its topics stay"}});
    }
  }

  void Note(const KeepingTransport::Write& write) {
    const std::string name = write.path.substr(write.path.rfind('/') + 1);
    const bool deletes = write.method == "DELETE";
    const Json* live = nullptr;
    std::string kind = kube::TextAt(write.body, {"kind"});
    for (const Owned& owned : owned_) {
      if (owned.resource->Path(kube::KeyOf(owned.object)) != write.path) continue;
      live = &owned.object;
      kind = owned.resource->kind;
    }
    ObjectChange change{.kind = kind, .name = name};
    change.action = deletes ? Action::kDelete : live == nullptr ? Action::kCreate : Action::kChange;
    if (change.action == Action::kChange) {
      change.differences = kube::Differences(*live, write.body, kShownDifferences);
      // It is in step with the others, which say what it is about.
      std::erase_if(change.differences, [](const std::string& line) {
        return line.find("levada.dev/fingerprint") != std::string::npos;
      });
    }
    if (kind == kube::kDeployments.kind && !deletes) {
      written_[kube::LabelOf(write.body, render::kStageLabel)] = write.body;
    }
    changes_.objects.push_back(std::move(change));
  }

  void CompareStage(const pipeline::Plan& plan, const pipeline::PlannedStage& stage,
                    const render::Facts& facts) {
    StageChange change{.name = stage.name};
    const auto live = deployments_.find(stage.name);
    const auto written = written_.find(stage.name);
    if (live == deployments_.end()) {
      change.action = Action::kCreate;
      const v1::Stage* manifest = pipeline::FindStage(plan.pipeline, stage.name);
      const auto decided = facts.replicas.find(stage.name);
      const int64_t replicas = plan.pipeline.spec().paused()     ? 0
                               : decided != facts.replicas.end() ? decided->second
                               : manifest->has_replicas()        ? manifest->replicas()
                                                                 : 1;
      change.reasons.push_back(base::StrCat(replicas, replicas == 1 ? " worker" : " workers"));
    } else if (written != written_.end()) {
      change.action = Action::kChange;
      CompareWorkers(live->second, written->second, &change);
      if (kube::AnnotationOf(live->second, render::kSliceHash) != stage.slice_hash) {
        change.slice = SliceLines(live->second, stage);
      }
    }
    for (const std::string& missing : render::MissingInputs(plan, stage, facts)) {
      if (std::any_of(unknown_inputs_.begin(), unknown_inputs_.end(),
                      [&](const auto& input) { return missing.ends_with(" " + input.name); })) {
        continue;
      }
      changes_.notes.push_back(base::StrCat("stage ", stage.name, " waits for ", missing,
                                            ", which is not in the namespace"));
    }
    changes_.stages.push_back(std::move(change));
  }

  // What goes from the pods.
  std::vector<std::string> TakenOut(const std::string& stage, const Json& after) const {
    std::vector<std::string> lines;
    const auto before = before_.find(stage);
    if (before == before_.end()) return lines;
    constexpr std::string_view kAdded = ": added";
    for (const std::string& line : kube::Differences(after, before->second, kShownDifferences)) {
      if (!line.ends_with(kAdded)) continue;
      lines.push_back(line.substr(0, line.size() - kAdded.size()));
    }
    return lines;
  }

  void CompareWorkers(const Json& live, const Json& wanted, StageChange* change) const {
    const Json* before = kube::Find(live, {"spec", "template"});
    const Json* after = kube::Find(wanted, {"spec", "template"});
    const std::vector<std::string> taken_out =
        after == nullptr ? std::vector<std::string>() : TakenOut(change->name, *after);
    change->rolls = before != nullptr && after != nullptr &&
                    (kube::WouldChange(*before, *after) || !taken_out.empty());
    const auto annotation = [](const Json& pods, std::string_view name) {
      return kube::AnnotationOf(pods, name);
    };
    if (change->rolls) {
      const std::pair<std::string_view, std::string_view> reasons[] = {
          {render::kSliceHash, "its slice changes"},
          {render::kInputsHash, "a Secret or ConfigMap that it uses has changed"},
          {render::kRestartNonce, "restartNonce changes"}};
      for (const auto& [name, why] : reasons) {
        if (annotation(*before, name) != annotation(*after, name)) {
          change->reasons.emplace_back(why);
        }
      }
      for (const std::string& line : kube::Differences(*before, *after, kShownDifferences)) {
        const bool told = std::any_of(
            std::begin(reasons), std::end(reasons),
            [&](const auto& reason) { return line.find(reason.first) != std::string::npos; });
        // The slice is mounted under a name with its hash.
        const bool slice = line.find("-> ") != std::string::npos &&
                           line.find(annotation(*after, render::kSliceHash)) != std::string::npos;
        if (!told && !slice) change->reasons.push_back("pods: " + line);
      }
      for (const std::string& line : taken_out) {
        if (std::none_of(std::begin(reasons), std::end(reasons), [&](const auto& reason) {
              return line.find(reason.first) != std::string::npos;
            })) {
          change->reasons.push_back(base::StrCat("pods: ", line, " is taken out"));
        }
      }
    }
    const int64_t from = kube::IntAt(live, {"spec", "replicas"});
    const Json* to = kube::Find(wanted, {"spec", "replicas"});
    if (to != nullptr && to->is_number() && to->get<int64_t>() != from) {
      change->reasons.push_back(base::StrCat("replicas: ", from, " -> ", to->get<int64_t>()));
    }
    if (!change->rolls && change->reasons.empty()) {
      change->reasons.emplace_back("its Deployment changes, its workers stay");
    }
  }

  // Lines that only one of the two slices has.
  std::vector<std::string> SliceLines(const Json& live, const pipeline::PlannedStage& stage) const {
    const std::string name =
        base::StrCat(kube::NameOf(live), "-", kube::AnnotationOf(live, render::kSliceHash));
    std::string before;
    for (const Owned& owned : owned_) {
      if (*owned.resource == kube::kConfigMaps && kube::NameOf(owned.object) == name) {
        before = kube::TextAt(owned.object, {"data", "slice.yaml"});
      }
    }
    std::vector<std::string> lines;
    if (before.empty()) return lines;
    const auto only_in = [&](const std::string& these, const std::string& those, const char* sign) {
      std::multiset<std::string> others = absl::StrSplit(those, '\n');
      for (const absl::string_view text : absl::StrSplit(these, '\n')) {
        const std::string line(text);
        const auto found = others.find(line);
        if (found != others.end()) {
          others.erase(found);
        } else if (lines.size() < kShownLines) {
          lines.push_back(sign + line);
        }
      }
    };
    only_in(before, stage.slice_yaml, "- ");
    only_in(stage.slice_yaml, before, "+ ");
    return lines;
  }

  const Cluster& cluster_;
  const PlanOptions options_;
  render::Settings settings_;
  ClusterChanges changes_;
  std::set<std::string> hidden_;       // kinds that may not be listed
  std::set<std::string_view> served_;  // kinds that the server has
  std::set<render::Input> unknown_inputs_;
  std::vector<Owned> owned_;
  std::map<std::string, Json> deployments_;  // by stage, as they are
  std::map<std::string, Json> written_;      // by stage, those that change
  std::map<std::string, Json> before_;       // by stage, pods of the manifest that is there now
};

}  // namespace

bool ClusterChanges::any() const { return is_new || !objects.empty() || !topic_changes.empty(); }

absl::StatusOr<ClusterChanges> PlanOnCluster(const Cluster& cluster, const Json& manifest,
                                             const PlanOptions& options) {
  return Planner(cluster, options).Run(manifest);
}

}  // namespace levada::cli
