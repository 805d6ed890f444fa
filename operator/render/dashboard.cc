#include <algorithm>

#include "core/base/strings.h"
#include "core/pipeline/expand.h"
#include "operator/render/names.h"
#include "operator/render/panels.h"
#include "operator/render/query.h"
#include "operator/render/world.h"

// A Grafana dashboard of a pipeline, made from the pipeline: what flows where, and a row a stage
// with what its kind has to tell.
namespace levada::render {
namespace {

constexpr int kWidth = 6;  // of a panel in a stage's row: four in a line
constexpr int kHeight = 7;

// "`a`, `b`"
std::string Names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    base::StrAppend(&out, out.empty() ? "" : ", ", "`", name, "`");
  }
  return out;
}

std::string Destination(const StageView& stage) {
  const v1::Stage& s = stage.stage;
  if (s.has_indexing()) {
    return base::StrCat("index `", s.indexing().index(), "` of ", s.indexing().via());
  }
  if (s.archiving().has_parquet()) {
    return base::StrCat("Parquet in `", s.archiving().parquet().folder(), "`");
  }
  if (s.archiving().has_ndjson()) {
    return base::StrCat("NDJSON in `", s.archiving().ndjson().folder(), "`");
  }
  if (s.notify().has_email()) return base::StrCat("mail by ", s.notify().email().via());
  if (s.notify().has_webhook()) return base::StrCat("webhook ", s.notify().webhook().via());
  return Names(stage.planned.outputs);
}

std::string Source(const StageView& stage) {
  if (!stage.planned.input.empty()) return base::StrCat("`", stage.planned.input, "`");
  const v1::Ingest& ingest = stage.stage.ingest();
  if (ingest.has_file()) return base::StrCat("file `", ingest.file().path(), "`");
  if (ingest.has_schedule()) return base::StrCat("every ", ingest.schedule().every());
  std::string out;
  for (const PublicPort& port : PublicPorts(stage.stage)) {
    base::StrAppend(&out, out.empty() ? "" : ", ", port.name, " ", port.number);
  }
  return out;
}

std::string Topology(const World& world) {
  std::string out = "| from | stage | | to |\n|---|---|---|---|\n";
  for (const pipeline::PlannedStage& planned : world.plan.stages) {
    const StageView stage = ViewOf(world, planned);
    base::StrAppend(&out, "| ", Source(stage), " → | **", planned.name, "** | ", planned.kind,
                    " | → ", Destination(stage), " |\n");
  }
  return out;
}

void AddOverview(const World& world, Panels* panels) {
  const Query of(world.name_space(), world.pipeline());
  panels->Row("Pipeline");
  panels->Add(Markdown(Topology(world)), 12,
              4 + static_cast<int>(world.plan.stages.size() + 1) / 2 * 2);
  panels->Add(Stat("Events that wait", "short", of.Sum("levada_lag_records")), 4, 4);
  panels->Add(
      Stat("Dead letters in the time shown", "short",
           base::StrCat("sum(increase(", of.Series("levada_dead_letters_total"), "[$__range]))"),
           1),
      4, 4);
  panels->Add(Stat("Stages without a ready worker", "short",
                   base::StrCat("count(max by (stage) (", of.Series("levada_ready"),
                                ") == 0) or vector(0)"),
                   1),
              4, 4);
  panels->Add(TimeSeries("Events in, by stage", "cps",
                         {{"{{stage}}", of.Rate("levada_records_in_total", "stage")}}),
              12, kHeight);
  panels->Add(
      TimeSeries("Lag, by stage", "short", {{"{{stage}}", of.Sum("levada_lag_records", "stage")}}),
      12, kHeight);
}

void AddIngest(const Query& of, const StageView& stage, Panels* panels) {
  if (PublicPorts(stage.stage).empty()) return;
  panels->Add(TimeSeries("Requests", "reqps",
                         {{"{{transport}} {{status}}",
                           of.Rate("levada_ingest_requests_total", "transport, status")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Request time", "s",
                         {{"p50", of.Quantile(0.5, "levada_ingest_request_seconds")},
                          {"p99", of.Quantile(0.99, "levada_ingest_request_seconds")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Events by result", "cps",
                         {{"{{result}}", of.Rate("levada_ingest_events_total", "result")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Waiting for Kafka", "short",
                         {{"events", of.Sum("levada_ingest_in_flight_events")}}),
              kWidth, kHeight);
}

bool JoinsTables(const v1::Scoring& scoring) {
  return std::any_of(scoring.steps().begin(), scoring.steps().end(),
                     [](const v1::Step& step) { return step.has_join(); });
}

// What the stage remembers, over all workers; each has the tables whole.
void AddState(const Query& of, const v1::Scoring& scoring, Panels* panels) {
  std::vector<Target> memory;
  std::vector<Target> keys;
  if (pipeline::KeepsState(scoring)) {
    memory.push_back({"state", of.Sum("levada_scoring_state_bytes")});
    keys.push_back({"keys", of.Sum("levada_scoring_state_keys")});
  }
  if (JoinsTables(scoring)) {
    memory.push_back({"tables", of.Sum("levada_scoring_table_bytes")});
    keys.push_back({"rows of tables", of.Sum("levada_scoring_table_rows")});
  }
  if (memory.empty()) return;
  panels->Add(TimeSeries("Memory of state", "bytes", memory), kWidth, kHeight);
  panels->Add(TimeSeries("Keys", "short", keys), kWidth, kHeight);
  if (!pipeline::KeepsState(scoring)) return;
  panels->Add(TimeSeries("Late events", "cps", {{"late", of.Rate("levada_scoring_late_total")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("State restored, snapshots", "short",
                         {{"records from {{source}}",
                           of.Increase("levada_scoring_restored_records_total", "source")},
                          {"snapshots {{result}}",
                           of.Increase("levada_scoring_snapshots_total", "result")}}),
              kWidth, kHeight);
}

void AddScoring(const Query& of, const StageView& stage, Panels* panels) {
  AddState(of, stage.stage.scoring(), panels);
  for (const v1::Step& step : stage.stage.scoring().steps()) {
    if (step.has_model()) {
      const std::string as = base::StrCat("as=\"", step.model().as(), "\"");
      panels->Add(Heatmap(base::StrCat("Predictions of ", step.model().as()),
                          of.Rate("levada_scoring_prediction_bucket", "le", as)),
                  kWidth, kHeight);
    }
    if (step.has_rules()) {
      const std::string as = base::StrCat("as=\"", step.rules().as(), "\"");
      panels->Add(
          TimeSeries(base::StrCat("Decisions: ", step.rules().as()), "cps",
                     {{"{{outcome}}", of.Rate("levada_scoring_decisions_total", "outcome", as)}}),
          kWidth, kHeight);
      panels->Add(TimeSeries(base::StrCat("Rules that decided: ", step.rules().as()), "cps",
                             {{"{{rule}}", of.Rate("levada_scoring_decisions_total", "rule", as)}}),
                  kWidth, kHeight);
    }
  }
}

void AddIndexing(const Query& of, const StageView&, Panels* panels) {
  panels->Add(TimeSeries("Documents", "cps",
                         {{"{{result}}", of.Rate("levada_indexing_documents_total", "result")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Bulk requests", "s",
                         {{"p50", of.Quantile(0.5, "levada_indexing_bulk_seconds")},
                          {"p99", of.Quantile(0.99, "levada_indexing_bulk_seconds")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Bulk bytes, failures", "short",
                         {{"bytes/s", of.Rate("levada_indexing_bulk_bytes_total")},
                          {"failures/s", of.Rate("levada_indexing_bulk_failures_total")}}),
              kWidth, kHeight);
}

void AddArchiving(const Query& of, const StageView&, Panels* panels) {
  panels->Add(TimeSeries("Rows", "cps", {{"rows", of.Rate("levada_archiving_rows_total")}}), kWidth,
              kHeight);
  panels->Add(
      TimeSeries("Bytes of files", "Bps", {{"bytes", of.Rate("levada_archiving_bytes_total")}}),
      kWidth, kHeight);
  panels->Add(TimeSeries("Commits by reason", "cps",
                         {{"{{reason}}", of.Rate("levada_archiving_commits_total", "reason")},
                          {"conflicts", of.Rate("levada_archiving_conflicts_total")}}),
              kWidth, kHeight);
  panels->Add(
      TimeSeries("In memory", "bytes", {{"buffered", of.Sum("levada_archiving_buffered_bytes")}}),
      kWidth, kHeight);
}

void AddNotify(const Query& of, const StageView&, Panels* panels) {
  panels->Add(TimeSeries("Notifications", "cps",
                         {{"sent", of.Rate("levada_notify_sent_total")},
                          {"refused", of.Rate("levada_notify_failed_total")},
                          {"repeats", of.Rate("levada_notify_repeats_total")},
                          {"answers lost", of.Rate("levada_notify_answers_lost_total")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Time of a send", "s",
                         {{"p50", of.Quantile(0.5, "levada_notify_send_seconds")},
                          {"p99", of.Quantile(0.99, "levada_notify_send_seconds")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Waiting", "short",
                         {{"events", of.Sum("levada_notify_waiting_events")},
                          {"groups", of.Sum("levada_notify_groups")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Held back by the throttle", "percentunit",
                         {{"share of the time", of.Rate("levada_notify_throttled_seconds_total")}}),
              kWidth, kHeight);
}

void AddEveryStage(const Query& of, const StageView& stage, Panels* panels) {
  panels->Add(TimeSeries("Events", "cps",
                         {{"in", of.Rate("levada_records_in_total")},
                          {"out", of.Rate("levada_records_out_total")},
                          {"filtered", of.Rate("levada_records_filtered_total")}}),
              kWidth, kHeight);
  panels->Add(TimeSeries("Latency since arrival", "s",
                         {{"p50", of.Quantile(0.5, "levada_latency_seconds")},
                          {"p99", of.Quantile(0.99, "levada_latency_seconds")}}),
              kWidth, kHeight);
  panels->Add(
      TimeSeries("Dead letters, errors, retries", "short",
                 {{"dead letters", of.Increase("levada_dead_letters_total")},
                  {"errors: {{error_type}}", of.Increase("levada_errors_total", "error_type")},
                  {"retries", of.Increase("levada_retries_total")}}),
      kWidth, kHeight);
  panels->Add(TimeSeries("Workers", "short",
                         {{"ready", of.Sum("levada_ready")},
                          {"partitions", of.Sum("levada_partitions")},
                          {"rebalances", of.Increase("levada_rebalances_total")}}),
              kWidth, kHeight);
  if (stage.planned.input.empty()) return;
  panels->Add(TimeSeries("Lag", "short", {{"lag", of.Sum("levada_lag_records")}}), kWidth, kHeight);
  panels->Add(TimeSeries("Commits", "s",
                         {{"p50", of.Quantile(0.5, "levada_commit_seconds")},
                          {"p99", of.Quantile(0.99, "levada_commit_seconds")}}),
              kWidth, kHeight);
}

void AddStage(const StageView& stage, bool collapsed, Panels* panels) {
  const World& world = stage.world;
  const Query of(world.name_space(), world.pipeline(), stage.planned.name);
  panels->Row(base::StrCat(stage.planned.name, " (", stage.planned.kind, ")"), collapsed);
  AddEveryStage(of, stage, panels);
  if (stage.stage.has_ingest()) AddIngest(of, stage, panels);
  if (stage.stage.has_scoring()) AddScoring(of, stage, panels);
  if (stage.stage.has_indexing()) AddIndexing(of, stage, panels);
  if (stage.stage.has_archiving()) AddArchiving(of, stage, panels);
  if (stage.stage.has_notify()) AddNotify(of, stage, panels);
}

Json Variable() {
  return {{"name", "prometheus"},
          {"label", "Prometheus"},
          {"type", "datasource"},
          {"query", "prometheus"}};
}

}  // namespace

Json RenderDashboard(const World& world) {
  // Grafana asks Prometheus for what is in sight: with many stages only the rows that are opened.
  constexpr size_t kOpenStages = 6;
  Panels panels;
  AddOverview(world, &panels);
  for (const pipeline::PlannedStage& stage : world.plan.stages) {
    AddStage(ViewOf(world, stage), world.plan.stages.size() > kOpenStages, &panels);
  }
  const std::string title = base::StrCat(world.name_space(), " / ", world.pipeline());
  const Json dashboard = {{"title", base::StrCat("Levada: ", title)},
                          {"uid", base::StrCat("levada-", ShortHash(title))},
                          {"tags", Json::array({"levada", world.name_space()})},
                          {"schemaVersion", 39},
                          {"editable", false},
                          {"refresh", "30s"},
                          {"time", {{"from", "now-1h"}, {"to", "now"}}},
                          {"templating", {{"list", Json::array({Variable()})}}},
                          {"panels", panels.Take()}};
  const std::string name = base::StrCat(SharedName(world.pipeline()), "-dashboard");
  Json object = NewObject(kube::kConfigMaps, world, name);
  object["metadata"]["labels"].update(world.settings.dashboard_labels);
  object["metadata"]["annotations"] = world.settings.dashboard_annotations;
  // The side-car gathers dashboards of all namespaces in one folder.
  const std::string file = base::StrCat(world.name_space(), ".", world.pipeline(), ".levada.json");
  object["data"] = {{file, dashboard.dump()}};
  return object;
}

}  // namespace levada::render
