#include "cli/target/view.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/target/table.h"
#include "core/base/strings.h"
#include "core/base/time.h"

namespace levada::cli {
namespace {

using Json = nlohmann::json;

std::string ReplicasCell(const StageRow& stage) {
  if (stage.replicas < 0) return "-";
  return base::StrCat(std::max(stage.ready_replicas, 0), "/", stage.replicas);
}

std::string StateCell(const StageRow& stage) {
  if (stage.restarts <= 0) return stage.state;
  return base::StrCat(stage.state, " (started again ", stage.restarts, "x)");
}

// What is known: numbers that are not negative, texts that are not empty.
void Put(Json* object, const char* name, int64_t value) {
  if (value >= 0) (*object)[name] = value;
}
void Put(Json* object, const char* name, double value) {
  if (value >= 0) (*object)[name] = value;
}
void Put(Json* object, const char* name, const std::string& value) {
  if (!value.empty()) (*object)[name] = value;
}

Json ToJson(const StageRow& stage) {
  Json row = {{"name", stage.name}, {"state", stage.state}, {"ready", stage.ready}};
  Put(&row, "kind", stage.kind);
  Put(&row, "replicas", static_cast<int64_t>(stage.replicas));
  Put(&row, "ready_replicas", static_cast<int64_t>(stage.ready_replicas));
  Put(&row, "records_in", stage.records_in);
  Put(&row, "records_out", stage.records_out);
  Put(&row, "bytes_in", stage.bytes_in);
  Put(&row, "bytes_out", stage.bytes_out);
  Put(&row, "records_per_second", stage.records_per_second);
  Put(&row, "dead_letters", stage.dead_letters);
  Put(&row, "late_events", stage.late_events);
  Put(&row, "errors", stage.errors);
  Put(&row, "lag", stage.lag);
  Put(&row, "p50_ms", stage.p50_ms);
  Put(&row, "p99_ms", stage.p99_ms);
  Put(&row, "restarts", static_cast<int64_t>(stage.restarts));
  Put(&row, "last_error", stage.last_error);
  Put(&row, "last_error_time", stage.last_error_time);
  Put(&row, "autoscaling", stage.autoscaling);
  return row;
}

Json ToJson(const TopicRow& topic) {
  Json row = {{"name", topic.name},
              {"role", topic.role},
              {"partitions", topic.partitions},
              {"ready", topic.ready},
              {"managed", topic.managed}};
  Put(&row, "message", topic.message);
  return row;
}

Json ToJson(const ConditionRow& condition) {
  Json row = {{"type", condition.type},
              {"status", condition.status},
              {"reason", condition.reason},
              {"message", condition.message}};
  Put(&row, "since", condition.since);
  return row;
}

// A text of several lines under a heading, each line indented.
std::string Indented(std::string_view text) {
  std::string out = "  ";
  for (const char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out + "\n";
}

}  // namespace

void ViewRates::Update(PipelineView* view) {
  const Clock::time_point now = Clock::now();
  for (StageRow& stage : view->stages) {
    const int64_t count = std::max(stage.records_in, stage.records_out);
    if (count < 0 || stage.records_per_second >= 0) continue;
    Seen& seen = before_[base::StrCat(view->name_space, "/", view->name, "/", stage.name)];
    const double seconds = std::chrono::duration<double>(now - seen.at).count();
    // Fewer than before: another worker.
    if (seen.at != Clock::time_point() && count >= seen.count && seconds > 0) {
      stage.records_per_second = static_cast<double>(count - seen.count) / seconds;
    }
    seen = {count, now};
  }
}

std::string RenderHeader(const PipelineView& view, int width) {
  std::string text = base::StrCat(view.name_space, "/", view.name, " (", view.where,
                                  "): ", view.phase.empty() ? "not looked at yet" : view.phase);
  if (view.applied_generation >= 0 && view.applied_generation != view.generation) {
    base::StrAppend(&text, ", generation ", view.applied_generation, " of ", view.generation,
                    " runs");
  }
  text = Clip(text, width) + "\n";
  return view.ready || view.message.empty() ? text : text + Indented(view.message);
}

std::string RenderConditions(const PipelineView& view, int width) {
  if (view.conditions.empty()) return "";
  Table table({{"CONDITION"}, {"STATUS"}, {"REASON"}, {"SINCE", Align::kRight}, {"MESSAGE"}});
  const int64_t now = base::NowMicros();
  for (const ConditionRow& condition : view.conditions) {
    // The whole text of what is wrong stands above the tables.
    const std::string line = condition.message.substr(0, condition.message.find('\n'));
    table.Add(
        {condition.type, condition.status, condition.reason, AgeCell(condition.since, now), line});
  }
  return table.Render(width);
}

std::string RenderStages(const PipelineView& view, int width) {
  if (view.stages.empty()) return "";
  constexpr Align kRight = Align::kRight;
  Table table({{"STAGE"},
               {"KIND"},
               {"READY", kRight},
               {"IN", kRight},
               {"OUT", kRight},
               {"BYTES IN", kRight},
               {"BYTES OUT", kRight},
               {"REC/S", kRight},
               {"DEAD", kRight},
               {"LATE", kRight},
               {"ERRORS", kRight},
               {"LAG", kRight},
               {"P50", kRight},
               {"P99", kRight},
               {"STATE"}});
  std::string more;
  for (const StageRow& stage : view.stages) {
    table.Add({stage.name, stage.kind, ReplicasCell(stage), CountCell(stage.records_in),
               CountCell(stage.records_out), BytesCell(stage.bytes_in), BytesCell(stage.bytes_out),
               RateCell(stage.records_per_second), CountCell(stage.dead_letters),
               CountCell(stage.late_events), CountCell(stage.errors), CountCell(stage.lag),
               MillisCell(stage.p50_ms), MillisCell(stage.p99_ms), StateCell(stage)});
    if (!stage.last_error.empty()) {
      more += Clip(base::StrCat("  ", stage.name, ": ", stage.last_error_time,
                                stage.last_error_time.empty() ? "" : " ", stage.last_error),
                   width) +
              "\n";
    }
    if (!stage.autoscaling.empty()) {
      more += Clip(base::StrCat("  ", stage.name, " scales: ", stage.autoscaling), width) + "\n";
    }
  }
  return table.Render(width) + more;
}

std::string RenderTopics(const PipelineView& view, int width) {
  if (view.topics.empty()) return "";
  Table table({{"TOPIC"}, {"ROLE"}, {"PARTITIONS", Align::kRight}, {"READY"}, {"MESSAGE"}});
  for (const TopicRow& topic : view.topics) {
    table.Add({topic.name, topic.role, topic.partitions > 0 ? CountCell(topic.partitions) : "-",
               topic.ready ? "yes" : "no", topic.message});
  }
  return table.Render(width);
}

std::string RenderAll(const PipelineView& view, int width) {
  std::string text = RenderHeader(view, width);
  for (const std::string& part :
       {RenderStages(view, width), RenderTopics(view, width), RenderConditions(view, width)}) {
    if (!part.empty()) base::StrAppend(&text, "\n", part);
  }
  return text;
}

std::string RenderList(const std::vector<PipelineView>& views, int width) {
  Table table({{"NAMESPACE"},
               {"PIPELINE"},
               {"PHASE"},
               {"STAGES", Align::kRight},
               {"LAG", Align::kRight},
               {"WHERE"},
               {"MESSAGE"}});
  for (const PipelineView& view : views) {
    int64_t lag = -1;
    size_t ready = 0;
    for (const StageRow& stage : view.stages) {
      if (stage.lag >= 0) lag = std::max<int64_t>(lag, 0) + stage.lag;
      if (stage.ready) ++ready;
    }
    table.Add({view.name_space, view.name, view.phase, base::StrCat(ready, "/", view.stages.size()),
               CountCell(lag), view.where,
               view.ready ? "" : view.message.substr(0, view.message.find('\n'))});
  }
  return table.Render(width);
}

Json ToJson(const PipelineView& view) {
  Json out = {{"name", view.name},
              {"namespace", view.name_space},
              {"where", view.where},
              {"phase", view.phase},
              {"ready", view.ready}};
  if (!view.ready) Put(&out, "message", view.message);
  Put(&out, "generation", view.generation);
  Put(&out, "applied_generation", view.applied_generation);
  for (const char* name : {"conditions", "stages", "topics"}) out[name] = Json::array();
  for (const ConditionRow& row : view.conditions) out["conditions"].push_back(ToJson(row));
  for (const StageRow& row : view.stages) out["stages"].push_back(ToJson(row));
  for (const TopicRow& row : view.topics) out["topics"].push_back(ToJson(row));
  return out;
}

}  // namespace levada::cli
