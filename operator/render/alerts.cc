#include "core/base/strings.h"
#include "operator/render/names.h"
#include "operator/render/query.h"
#include "operator/render/world.h"

namespace levada::render {
namespace {

struct Alert {
  const char* name;
  std::string expression;
  const char* lasts;
  const char* severity;
  std::string summary;
  std::string description;  // what it means and what to do
};

Json ToRule(const Alert& alert, const World& world, std::string_view stage = "") {
  Json labels = {{"severity", alert.severity},
                 {"namespace", world.name_space()},
                 {"pipeline", world.pipeline()}};
  if (!stage.empty()) labels["stage"] = stage;
  return {{"alert", alert.name},
          {"expr", alert.expression},
          {"for", alert.lasts},
          {"labels", labels},
          {"annotations", {{"summary", alert.summary}, {"description", alert.description}}}};
}

// "shop/fraud, stage {{ $labels.stage }}"
std::string Place(const World& world) {
  return base::StrCat(world.name_space(), "/", world.pipeline(), ", stage {{ $labels.stage }}");
}

std::string Kubectl(const World& world, std::string_view command) {
  return base::StrCat("`kubectl -n ", world.name_space(), " ", command, "`");
}

std::string Levada(const World& world, std::string_view command) {
  return base::StrCat("`levada ", command, " -n ", world.name_space(), " ", world.pipeline(), "`");
}

Alert NotReady(const World& world) {
  const Query of(world.name_space(), world.pipeline());
  return {"LevadaStageNotReady",
          base::StrCat("max by (stage) (", of.Series("levada_ready"), ") == 0"),
          "5m",
          "critical",
          base::StrCat("No worker of ", Place(world), " takes work"),
          base::StrCat("Its events wait in Kafka; none is lost. ",
                       Kubectl(world, base::StrCat("describe pipeline ", world.pipeline())),
                       " shows the last error: mostly Kafka or the destination does not answer, or "
                       "a password was refused. The worker tries again by itself once that is "
                       "mended.")};
}

Alert NoProgress(const World& world) {
  const Query of(world.name_space(), world.pipeline(), "", "10m");
  return {
      "LevadaNoProgress",
      base::StrCat(of.Sum("levada_lag_records", "stage"), " > 0 and ",
                   of.Rate("levada_records_in_total", "stage"), " == 0"),
      "10m",
      "critical",
      base::StrCat(Place(world), " has events to read and reads none"),
      base::StrCat("{{ $value }} events wait. The log of its pods says what they wait for: ",
                   Kubectl(world, base::StrCat("logs -l ", kPipelineLabel, "=", world.pipeline(),
                                               ",", kStageLabel, "={{ $labels.stage }}")),
                   ". A stage that was paused with `levada pause` goes on with `levada "
                   "resume`.")};
}

Alert LagGrows(const World& world) {
  const Query of(world.name_space(), world.pipeline());
  return {"LevadaLagGrowing",
          base::StrCat(of.Sum("levada_lag_records", "stage"), " > 1000 and sum by (stage) (delta(",
                       of.Series("levada_lag_records"), "[15m])) > 0"),
          "15m",
          "warning",
          base::StrCat("The lag of ", Place(world), " grows"),
          "{{ $value }} events wait, and more come in than it handles. Give it more `replicas`, or "
          "`autoscaling` with a higher `maxReplicas`, up to the partitions of the topic that it "
          "reads. Where it stays busy with few events, look at what is behind it: its errors and "
          "the time of its commits are in the dashboard."};
}

Alert DeadLetters(const World& world) {
  const Query of(world.name_space(), world.pipeline(), "", "10m");
  const std::string& topic = world.plan.pipeline.spec().dead_letters().topic();
  return {
      "LevadaDeadLetters",
      base::StrCat(of.Increase("levada_dead_letters_total", "stage"), " > 0"),
      "0s",
      "warning",
      base::StrCat(Place(world), " has written dead letters"),
      base::StrCat("{{ $value | humanize }} records in ten minutes could not be processed. They "
                   "are in the topic ",
                   topic, ", each with its error: ", Levada(world, "dlq list"),
                   ". Mend the sender or the manifest, then replay them.")};
}

Alert Errors(const World& world) {
  const Query of(world.name_space(), world.pipeline(), "", "5m");
  return {
      "LevadaErrors",
      base::StrCat(of.Rate("levada_errors_total", "stage, error_type"), " > 0"),
      "10m",
      "warning",
      base::StrCat(Place(world), " has errors of type {{ $labels.error_type }}"),
      base::StrCat("`kafka`: the brokers do not answer or refuse; `destination`: what it writes "
                   "to; `source`: what it reads. Records are tried again and none is lost. ",
                   Kubectl(world, base::StrCat("describe pipeline ", world.pipeline())),
                   " shows the last one.")};
}

Alert Restarts(const World& world) {
  const Query of(world.name_space(), world.pipeline());
  return {
      "LevadaWorkerRestarts",
      base::StrCat("sum by (stage) (resets(", of.Series("levada_records_in_total"), "[1h])) >= 3"),
      "0s",
      "warning",
      base::StrCat("Workers of ", Place(world), " restart again and again"),
      base::StrCat(
          "{{ $value }} restarts in an hour. ",
          Kubectl(world, base::StrCat("get pods -l ", kPipelineLabel, "=", world.pipeline())),
          " shows which; OOMKilled: raise `pod.resources.limits.memory`; exit code 2: "
          "the manifest, a model or a secret is wrong, and `kubectl logs --previous` "
          "says what.")};
}

Alert Refuses(const World& world, const Query& of) {
  return {
      "LevadaIngestRefuses",
      base::StrCat(of.Rate("levada_ingest_events_total", "stage", "result=\"unavailable\""),
                   " > 0"),
      "5m",
      "critical",
      base::StrCat(Place(world), " turns events away"),
      "Senders get 503 or UNAVAILABLE, since Kafka does not acknowledge. Senders that try again "
      "lose nothing. Look at the brokers, and whether the topic has its in-sync replicas."};
}

Alert Missing(const World& world, const Query& of, std::string_view stage) {
  return {"LevadaStageMissing",
          base::StrCat("absent(", of.Series("levada_ready"), ")"),
          "10m",
          "critical",
          base::StrCat("No worker of ", world.name_space(), "/", world.pipeline(), ", stage ",
                       stage, " is there"),
          base::StrCat("Its pods do not run, or Prometheus does not see them: ",
                       Kubectl(world, base::StrCat("describe pods -l ", kPipelineLabel, "=",
                                                   world.pipeline(), ",", kStageLabel, "=", stage)),
                       ". An image that cannot be pulled, a Secret that does not exist or too "
                       "little room on the nodes stand in their events.")};
}

// Whether a stage without any worker is an accident.
bool MustRun(const StageView& stage) {
  if (stage.world.paused()) return false;
  if (stage.stage.has_autoscaling()) return stage.stage.autoscaling().min_replicas() > 0;
  return !stage.stage.has_replicas() || stage.stage.replicas() > 0;
}

}  // namespace

Json RenderAlerts(const World& world) {
  Json rules = Json::array();
  for (const auto& make : {NotReady, NoProgress, LagGrows, DeadLetters, Errors, Restarts}) {
    rules.push_back(ToRule(make(world), world));
  }
  for (const pipeline::PlannedStage& planned : world.plan.stages) {
    const Query of(world.name_space(), world.pipeline(), planned.name, "5m");
    const StageView stage = ViewOf(world, planned);
    if (!PublicPorts(stage.stage).empty() && stage.stage.has_ingest()) {
      rules.push_back(ToRule(Refuses(world, of), world));
    }
    if (MustRun(stage)) {
      rules.push_back(ToRule(Missing(world, of, planned.name), world, planned.name));
    }
  }
  Json object = NewObject(kube::kPrometheusRules, world, SharedName(world.pipeline()));
  object["metadata"]["labels"].update(world.settings.monitor_labels);
  const std::string group = base::StrCat("levada.", world.name_space(), ".", world.pipeline());
  object["spec"]["groups"] = Json::array({{{"name", group}, {"rules", rules}}});
  return object;
}

}  // namespace levada::render
