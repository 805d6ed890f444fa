#include "operator/controller/status.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "core/base/counted.h"
#include "core/base/strings.h"

namespace levada::controller {
namespace {

using kube::Condition;
using kube::Json;

const Json* ConditionOf(const Json& deployment, std::string_view type) {
  const Json* conditions = kube::Find(deployment, {"status", "conditions"});
  return conditions == nullptr ? nullptr : kube::FindCondition(*conditions, type);
}

int64_t ReadyOf(const StageFacts& stage) {
  return kube::IntAt(stage.deployment, {"status", "readyReplicas"});
}
int64_t UpdatedOf(const StageFacts& stage) {
  return kube::IntAt(stage.deployment, {"status", "updatedReplicas"});
}

// A rate as people read it: whole above a hundred, else with one digit behind the point.
double Readable(double rate) { return rate >= 100 ? std::round(rate) : std::round(rate * 10) / 10; }

// A latency as people read it: two digits.
double TwoDigits(double ms) {
  if (ms <= 0) return 0;
  const double unit = std::pow(10, std::floor(std::log10(ms)) - 1);
  return unit < 1 ? std::round(ms * 10) / 10 : std::round(ms / unit) * unit;
}

// An error is told for so long after it was: one that goes on is a new one with each try.
constexpr int64_t kErrorToldMicros = 15 * 60 * int64_t{1'000'000};

Json RowOf(const StageFacts& stage, const StageState& state, int64_t now_micros) {
  Json row = {{"name", stage.name},
              {"kind", stage.kind},
              {"replicas", stage.replicas},
              {"readyReplicas", ReadyOf(stage)},
              {"updatedReplicas", UpdatedOf(stage)},
              {"sliceHash", stage.slice_hash}};
  if (stage.lag >= 0) row["lag"] = stage.lag;
  if (stage.events_per_second >= 0) row["eventsPerSecond"] = Readable(stage.events_per_second);
  if (stage.reported.known) {
    row["errors"] = stage.reported.errors;
    row["deadLetters"] = stage.reported.dead_letters;
    if (stage.kind == "scoring") row["lateEvents"] = stage.reported.late_events;
  }
  if (stage.reported.p99_ms >= 0) {
    row["latencyP50Ms"] = TwoDigits(stage.reported.p50_ms);
    row["latencyP99Ms"] = TwoDigits(stage.reported.p99_ms);
  }
  if (state.stuck || state.waits) {
    row["lastError"] = state.message;
  } else if (stage.reported.last_error_micros + kErrorToldMicros > now_micros) {
    row["lastError"] = stage.reported.last_error;
    row["lastErrorTime"] = kube::ToTime(stage.reported.last_error_micros);
  }
  if (!stage.autoscaling.is_null()) row["autoscaling"] = stage.autoscaling;
  return row;
}

// All that the conditions are made from.
struct Summary {
  bool valid = false;
  bool topics = false;
  bool stages = false;
  bool stuck = false;
  size_t stages_ready = 0;
  std::string stage_messages;
};

Summary Summarize(const Facts& facts, int64_t now_micros, Json* rows) {
  Summary summary;
  summary.valid = facts.checked->valid;
  summary.topics = facts.topics_ready.status == "True";
  for (const StageFacts& stage : facts.stages) {
    const StageState state = StateOf(stage);
    if (state.ready) ++summary.stages_ready;
    summary.stuck = summary.stuck || state.stuck;
    if (!state.ready) {
      base::StrAppend(&summary.stage_messages, summary.stage_messages.empty() ? "" : "; ", "stage ",
                      stage.name, ": ", state.message);
    }
    rows->push_back(RowOf(stage, state, now_micros));
  }
  summary.stages = summary.valid && summary.stages_ready == facts.stages.size();
  return summary;
}

Condition ValidOf(const Facts& facts) {
  if (facts.checked->valid) {
    return {.type = "Valid", .status = "True", .reason = "Checked", .message = "no problems found"};
  }
  return {
      .type = "Valid",
      .status = "False",
      .reason = "Invalid",
      .message = base::StrCat(facts.checked->problems,
                              ". What ran before goes on unchanged; mend the manifest and apply it "
                              "again (`levada validate FILE` shows all problems)")};
}

Condition StagesReadyOf(const Facts& facts, const Summary& summary) {
  Condition condition{.type = "StagesReady", .status = "False"};
  if (!summary.valid) {
    condition.status = "Unknown";
    condition.reason = "Invalid";
    condition.message = "the stages of an invalid manifest are not known";
  } else if (!facts.write_error.empty()) {
    condition.reason = "WriteFailed";
    condition.message = facts.write_error;
  } else if (facts.tests.hold) {
    const Condition tests = TestsPassedOf(facts);
    condition.reason = tests.reason;
    condition.message = tests.message;
  } else if (summary.stages) {
    condition.status = "True";
    condition.reason = "AllReady";
    condition.message = StagesRun(facts.stages.size());
  } else {
    condition.reason = summary.stuck ? "Stuck" : "RollingOut";
    condition.message = summary.stage_messages;
  }
  return condition;
}

Condition ReadyOf(const Facts& facts, const Summary& summary, const Condition& stages) {
  if (!summary.valid) {
    return {.type = "Ready", .status = "False", .reason = "Invalid", .message = "see Valid"};
  }
  if (facts.topics_ready.status != "True" && !facts.tests.hold) {
    return {.type = "Ready",
            .status = "False",
            .reason = facts.topics_ready.reason,
            .message = facts.topics_ready.message};
  }
  return {
      .type = "Ready", .status = stages.status, .reason = stages.reason, .message = stages.message};
}

Condition DegradedOf(const Facts& facts, const Summary& summary, int64_t applied) {
  Condition condition{.type = "Degraded", .status = "True"};
  if (!summary.valid && applied > 0) {
    condition.reason = "OldManifestRuns";
    condition.message = base::StrCat("generation ", applied, " runs, since the newest is invalid");
  } else if (summary.valid && !facts.write_error.empty()) {
    condition.reason = "WriteFailed";
    condition.message = facts.write_error;
  } else if (summary.valid && facts.tests.hold &&
             facts.tests.outcome == render::Tests::Outcome::kFailed && applied > 0) {
    condition.reason = "TestsFailed";
    condition.message =
        base::StrCat("generation ", applied, " runs, since the tests have failed: see TestsPassed");
  } else if (summary.valid && summary.stuck) {
    condition.reason = "RolloutStuck";
    condition.message = summary.stage_messages;
  } else if (summary.valid && facts.topics_ready.status == "False" &&
             facts.topics_ready.reason != "Creating" && applied > 0) {
    condition.reason = facts.topics_ready.reason;
    condition.message = facts.topics_ready.message;
  } else {
    condition.status = "False";
    condition.reason = "AsWanted";
    condition.message = "nothing runs otherwise than it should";
  }
  return condition;
}

std::string PhaseOf(const Facts& facts, const Summary& summary, bool ready, bool degraded,
                    int64_t applied) {
  if (!summary.valid && applied == 0) return "Invalid";
  if (summary.valid && facts.checked->plan.pipeline.spec().paused()) return "Paused";
  if (degraded) return "Degraded";
  return ready ? "Running" : "Pending";
}

// What is known of an invalid manifest's pipeline: what was known of the one that runs.
void TakeOver(const Json& before, Json* status) {
  for (const char* field :
       {"stages", "topics", "stagesReady", "topicsReady", "lag", "eventsPerSecond"}) {
    if (before.contains(field)) (*status)[field] = before[field];
  }
}

void AddTotals(const Facts& facts, const Summary& summary, Json* status) {
  int64_t lag = 0;
  double taken_in = 0;
  double read = 0;
  for (const StageFacts& stage : facts.stages) {
    lag += std::max<int64_t>(stage.lag, 0);
    (stage.kind == "ingest" ? taken_in : read) += std::max(stage.events_per_second, 0.0);
  }
  const size_t topics_ready = static_cast<size_t>(
      std::count_if(facts.topics.begin(), facts.topics.end(),
                    [](const Json& topic) { return topic.value("ready", false); }));
  (*status)["stagesReady"] = base::StrCat(summary.stages_ready, "/", facts.stages.size());
  (*status)["topicsReady"] = base::StrCat(topics_ready, "/", facts.topics.size());
  (*status)["lag"] = lag;
  (*status)["eventsPerSecond"] = static_cast<int64_t>(taken_in > 0 ? taken_in : read);
}

// 128 stages and 512 topics that all have much to say must not make an object that etcd refuses
// (1.5 MiB), or a text that the CRD does.
constexpr size_t kLongestOfRow = 1024;
constexpr size_t kLongestOfCondition = 8192;
constexpr size_t kMostTopics = 512;  // of the manifest and its own at most 385, then left ones

void Shorten(Json* rows, const char* field, size_t most) {
  if (!rows->is_array()) return;
  for (Json& row : *rows) {
    if (!row.contains(field) || !row[field].is_string()) continue;
    std::string& text = row[field].get_ref<std::string&>();
    if (text.size() <= most) continue;
    size_t end = most - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    text += "...";
  }
}

}  // namespace

std::string StagesRun(size_t stages) {
  return base::StrCat(base::Counted(stages, "stage"), stages == 1 ? " runs" : " run");
}

StageState StateOf(const StageFacts& stage) {
  StageState state;
  if (!stage.missing.empty()) {
    state.waits = true;
    state.message = base::StrCat("waits for ", absl::StrJoin(stage.missing, ", "),
                                 ": make it in the namespace of the pipeline");
    return state;
  }
  if (stage.deployment.is_null()) {
    state.message = "its Deployment is not there yet";
    return state;
  }
  const Json* progress = ConditionOf(stage.deployment, "Progressing");
  const Json* failure = ConditionOf(stage.deployment, "ReplicaFailure");
  const bool observed = kube::IntAt(stage.deployment, {"status", "observedGeneration"}) >=
                        kube::GenerationOf(stage.deployment);
  const int64_t all = kube::IntAt(stage.deployment, {"status", "replicas"});
  if (observed && progress != nullptr &&
      kube::TextAt(*progress, {"reason"}) == "ProgressDeadlineExceeded") {
    state.stuck = true;
    state.message = base::StrCat(
        "the new pods do not become ready, those that ran before go on; see `kubectl describe` and "
        "`kubectl logs` of deployment ",
        kube::NameOf(stage.deployment));
  } else if (observed && failure != nullptr && kube::TextAt(*failure, {"status"}) == "True") {
    state.stuck = true;
    state.message = base::StrCat("pods cannot be made: ", kube::TextAt(*failure, {"message"}));
  } else if (!observed || UpdatedOf(stage) < stage.replicas || ReadyOf(stage) < stage.replicas ||
             all > UpdatedOf(stage)) {
    state.message = base::StrCat(UpdatedOf(stage), " of ", stage.replicas, " replicas are new, ",
                                 ReadyOf(stage), " ready");
  } else {
    state.ready = true;
  }
  if (!state.ready && !stage.reported.waiting.empty()) {
    state.waits = true;
    base::StrAppend(&state.message, "; ", stage.reported.waiting);
  }
  return state;
}

Json StatusOf(const Facts& facts, int64_t now_micros) {
  const Json* before = kube::Find(*facts.pipeline, {"status"});
  Json status = Json::object();
  const int64_t generation = kube::GenerationOf(*facts.pipeline);
  int64_t applied = before == nullptr ? 0 : kube::IntAt(*before, {"appliedGeneration"});
  const bool carried_out = facts.checked->valid && facts.write_error.empty() && !facts.tests.hold;
  if (carried_out) applied = generation;

  Json rows = Json::array();
  const Summary summary = Summarize(facts, now_micros, &rows);
  Condition topics = facts.topics_ready;
  topics.type = "TopicsReady";
  const Condition stages = StagesReadyOf(facts, summary);
  const Condition ready = ReadyOf(facts, summary, stages);
  const Condition degraded = DegradedOf(facts, summary, applied);

  status["conditions"] = Json::array();
  if (const Json* known = before == nullptr ? nullptr : kube::Find(*before, {"conditions"})) {
    status["conditions"] = *known;
  }
  std::vector<Condition> conditions = {ValidOf(facts), topics};
  if (facts.tests.outcome != render::Tests::Outcome::kNone) {
    conditions.push_back(TestsPassedOf(facts));
  } else if (summary.valid) {
    kube::RemoveCondition(&status["conditions"], "TestsPassed");
  }
  conditions.insert(conditions.end(), {stages, ready, degraded});
  for (Condition& condition : conditions) {
    condition.observed_generation = generation;
    kube::SetCondition(&status["conditions"], condition, now_micros);
  }
  status["observedGeneration"] = generation;
  if (applied > 0) status["appliedGeneration"] = applied;
  if (facts.tests.outcome == render::Tests::Outcome::kPassed) {
    status["testsJob"] = facts.tests.job;
  } else if (before != nullptr && before->contains("testsJob") &&
             (facts.tests.outcome != render::Tests::Outcome::kNone || !summary.valid)) {
    status["testsJob"] = (*before)["testsJob"];
  }
  status["phase"] =
      PhaseOf(facts, summary, ready.status == "True", degraded.status == "True", applied);
  if (summary.valid) {
    status["stages"] = std::move(rows);
    status["topics"] = facts.topics;
    AddTotals(facts, summary, &status);
  } else if (before != nullptr) {
    TakeOver(*before, &status);
  }
  Shorten(&status["conditions"], "message", kLongestOfCondition);
  if (summary.valid) {
    Shorten(&status["stages"], "lastError", kLongestOfRow);
    Json& topics = status["topics"];
    Shorten(&topics, "message", kLongestOfRow);
    if (topics.size() > kMostTopics) topics.erase(topics.begin() + kMostTopics, topics.end());
  }
  return status;
}

std::optional<int64_t> NextChangeOf(const Facts& facts, int64_t now_micros) {
  std::optional<int64_t> next;
  for (const StageFacts& stage : facts.stages) {
    const int64_t until = stage.reported.last_error_micros + kErrorToldMicros;
    if (until > now_micros) next = std::min(next.value_or(until), until);
  }
  return next;
}

Json StatusOfEnding(const Json& pipeline, std::string_view waits_for, int64_t now_micros) {
  const Json* before = kube::Find(pipeline, {"status"});
  Json status = before == nullptr ? Json::object() : *before;
  const int64_t generation = kube::GenerationOf(pipeline);
  Json& conditions = status["conditions"];
  if (!conditions.is_array()) conditions = Json::array();
  kube::SetCondition(&conditions,
                     {.type = "Ready",
                      .status = "False",
                      .reason = "Terminating",
                      .message = std::string(waits_for),
                      .observed_generation = generation},
                     now_micros);
  Shorten(&conditions, "message", kLongestOfCondition);
  status["observedGeneration"] = generation;
  status["phase"] = "Terminating";
  return status;
}

}  // namespace levada::controller
