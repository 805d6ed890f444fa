#include "cli/target/local.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "absl/strings/str_join.h"
#include "cli/load.h"
#include "cli/run/status.h"
#include "cli/target/log_file.h"
#include "cli/target/log_line.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "core/base/time.h"
#include "core/kafka/topics.h"
#include "core/pipeline/manifest.h"
#include "operator/controller/status.h"
#include "operator/topics/decide.h"

namespace levada::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kKafkaTimeout{5'000};
constexpr milliseconds kPollLogs{150};

std::string AddressIn(const std::string& ports_file) {
  std::ifstream in(ports_file);
  const auto ports = nlohmann::json::parse(in, nullptr, false);
  if (!ports.is_object() || !ports.contains("grpc") || !ports["grpc"].is_string()) return "";
  return ports["grpc"];
}

ConditionRow TopicsReady(const absl::StatusOr<std::vector<TopicRow>>& topics) {
  ConditionRow row{.type = "TopicsReady", .status = "True", .reason = "TopicsReady"};
  if (!topics.ok()) {
    return {.type = row.type,
            .status = "Unknown",
            .reason = "KafkaUnavailable",
            .message = std::string(topics.status().message())};
  }
  for (const TopicRow& topic : *topics) {
    if (topic.ready) continue;
    row.status = "False";
    row.reason = "TopicsDiffer";
    base::StrAppend(&row.message, row.message.empty() ? "" : "\n", topic.name, ": ", topic.message);
  }
  if (row.message.empty()) row.message = "all topics are as they should be";
  return row;
}

ConditionRow StagesReady(const std::vector<StageRow>& stages) {
  ConditionRow row{.type = "StagesReady", .status = "True", .reason = "AllReady"};
  for (const StageRow& stage : stages) {
    if (stage.ready) continue;
    row.status = "False";
    row.reason = "NotReady";
    base::StrAppend(&row.message, row.message.empty() ? "" : "; ", "stage ", stage.name, ": ",
                    stage.state);
  }
  if (row.message.empty()) row.message = controller::StagesRun(stages.size());
  return row;
}

void Conclude(PipelineView* view, const ConditionRow& topics, const ConditionRow& stages) {
  const ConditionRow& wrong = topics.status != "True" ? topics : stages;
  view->ready = wrong.status == "True";
  view->message = view->ready ? "" : wrong.message;
  const bool paused = std::all_of(view->stages.begin(), view->stages.end(),
                                  [](const StageRow& stage) { return stage.state == "paused"; });
  view->phase = paused && !view->stages.empty() ? "Paused" : view->ready ? "Running" : "Pending";
  view->conditions = {
      topics,
      stages,
      {.type = "Ready", .status = wrong.status, .reason = wrong.reason, .message = wrong.message}};
}

}  // namespace

absl::Status NoSuchStage(const std::string& stage, const std::vector<std::string>& stages) {
  return absl::NotFoundError(base::StrCat("there is no stage \"", stage, "\"",
                                          base::DidYouMean(stage, stages), "; the stages are ",
                                          absl::StrJoin(stages, ", ")));
}

std::string LocalTarget::Where() const {
  return run_.alive ? base::StrCat("run on this machine, process ", run_.pid)
                    : base::StrCat("run on this machine that has ended, process ", run_.pid);
}

// Restarts are told by the run; its record changes with them.
void LocalTarget::ReadAgain() {
  for (RunRecord& run : ListRuns(FolderOfRuns())) {
    if (run.pid == run_.pid && run.start_ticks == run_.start_ticks) {
      run_ = std::move(run);
      return;
    }
  }
  run_.alive = false;
}

StatusClient* LocalTarget::ClientOf(const std::string& stage) {
  const std::string address = AddressIn(run_.ports_file(stage));
  Connection& connection = connections_[stage];
  if (connection.address != address) {
    connection.address = address;
    connection.client = address.empty() ? nullptr : StatusClient::Connect(address);
  }
  return connection.client.get();
}

StageRow LocalTarget::RowOf(const RunRecord::Stage& stage) {
  StageRow row{.name = stage.name, .kind = stage.kind};
  row.restarts = stage.restarts;
  StatusClient* client = ClientOf(stage.name);
  const auto status = client == nullptr ? std::nullopt : client->Get();
  if (!status) {
    row.state = stage.last_end.empty() ? "starting" : base::StrCat("starting: ", stage.last_end);
    return row;
  }
  row.state = StateText(*status);
  row.ready =
      status->state() == v1::StageStatus::RUNNING || status->state() == v1::StageStatus::PAUSED;
  row.records_in = static_cast<int64_t>(status->records_in());
  row.records_out = static_cast<int64_t>(status->records_out());
  row.bytes_in = static_cast<int64_t>(status->bytes_in());
  row.bytes_out = static_cast<int64_t>(status->bytes_out());
  row.dead_letters = static_cast<int64_t>(status->dead_letters());
  if (row.kind == "scoring") row.late_events = static_cast<int64_t>(status->late_events());
  row.errors = static_cast<int64_t>(status->errors());
  row.lag = status->lag();
  if (status->uptime_s() > 0) {
    row.p50_ms = status->latency_p50_ms();
    row.p99_ms = status->latency_p99_ms();
  }
  return row;
}

absl::StatusOr<std::vector<TopicRow>> LocalTarget::Topics() {
  const auto on_kafka = Kafka("");
  if (!on_kafka.ok()) return on_kafka.status();
  if (admin_ == nullptr) {
    auto admin = kafka::Admin::Create(on_kafka->config, kKafkaTimeout);
    if (!admin.ok()) return admin.status();
    admin_ = *std::move(admin);
  }
  if (absl::Status reached = admin_->WaitForBroker(kKafkaTimeout); !reached.ok()) return reached;
  const pipeline::Plan plan = pipeline::Compile(on_kafka->pipeline);
  std::vector<std::string> names;
  for (const pipeline::PlannedTopic& topic : plan.topics) names.push_back(topic.name);
  const auto live = admin_->Describe(names);
  if (!live.ok()) return live.status();
  const std::vector<kafka::TopicChange> changes = kafka::Compare(TopicsOf(plan), *live);
  std::vector<TopicRow> rows;
  for (const pipeline::PlannedTopic& topic : plan.topics) {
    TopicRow row{
        .name = topic.name, .role = std::string(topics::RoleName(topic.role)), .ready = true};
    const auto found = live->find(topic.name);
    if (found != live->end()) row.partitions = found->second.partitions;
    for (const kafka::TopicChange& change : changes) {
      if (change.topic.name != topic.name) continue;
      row.ready = false;
      base::StrAppend(&row.message, row.message.empty() ? "" : "; ", change.text);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

absl::StatusOr<PipelineView> LocalTarget::View() {
  ReadAgain();
  PipelineView view{.name = run_.pipeline, .name_space = run_.name_space, .where = Where()};
  if (!run_.alive) {
    view.phase = "Ended";
    view.message = base::StrCat("process ", run_.pid,
                                " was killed, or the machine has started anew; its logs: levada "
                                "logs ",
                                run_.pipeline, " --local");
    return view;
  }
  for (const RunRecord::Stage& stage : run_.stages) view.stages.push_back(RowOf(stage));
  auto topics = Topics();
  const ConditionRow topics_ready = TopicsReady(topics);
  if (topics.ok()) view.topics = *std::move(topics);
  Conclude(&view, topics_ready, StagesReady(view.stages));
  return view;
}

absl::Status LocalTarget::CheckStage(const std::string& stage) const {
  std::vector<std::string> names;
  for (const RunRecord::Stage& one : run_.stages) names.push_back(one.name);
  if (stage.empty() || std::find(names.begin(), names.end(), stage) != names.end()) {
    return absl::OkStatus();
  }
  return NoSuchStage(stage, names);
}

absl::StatusOr<std::string> LocalTarget::SetPaused(bool paused, const std::string& stage) {
  if (absl::Status known = CheckStage(stage); !known.ok()) return known;
  std::string silent;
  for (const RunRecord::Stage& one : run_.stages) {
    if (!stage.empty() && one.name != stage) continue;
    StatusClient* client = ClientOf(one.name);
    if (client == nullptr || !client->SetPaused(paused)) {
      base::StrAppend(&silent, silent.empty() ? "" : ", ", one.name);
    }
  }
  if (!silent.empty()) {
    return absl::UnavailableError(
        base::StrCat("no answer from the worker of ", silent, ": it may be starting; do it again"));
  }
  const std::string what = stage.empty() ? run_.pipeline : base::StrCat("stage ", stage);
  return paused ? base::StrCat(what, " paused: what is under way is finished; partitions are kept")
                : base::StrCat(what, " goes on");
}

absl::Status LocalTarget::Logs(const LogOptions& options,
                               const std::function<void(const LogLine&)>& each,
                               std::stop_token stop) {
  if (absl::Status known = CheckStage(options.stage); !known.ok()) return known;
  const int64_t begin =
      options.since ? base::NowMicros() - options.since->count() * base::kMicrosPerSecond : -1;
  std::vector<std::pair<std::string, std::unique_ptr<LogFile>>> files;
  for (const RunRecord::Stage& stage : run_.stages) {
    if (!options.stage.empty() && stage.name != options.stage) continue;
    files.emplace_back(stage.name,
                       std::make_unique<LogFile>(run_.log_file(stage.name), options.tail));
  }
  do {
    for (auto& [stage, file] : files) {
      int64_t time = -1;  // of the line before, for those that have none
      file->Read([&, &stage = stage](std::string_view line) {
        const int64_t own = TimeOf(line);
        time = own >= 0 ? own : time;
        if (time < begin && begin >= 0) return;
        each({.stage = stage, .text = line});
      });
    }
    if (options.follow) std::this_thread::sleep_for(kPollLogs);
  } while (options.follow && !stop.stop_requested());
  return absl::OkStatus();
}

absl::StatusOr<OnKafka> LocalTarget::Kafka(const std::string& brokers) {
  std::ifstream in(run_.manifest_file());
  std::stringstream text;
  text << in.rdbuf();
  if (!in) {
    return absl::NotFoundError(base::StrCat(run_.manifest_file(),
                                            " cannot be read; give the "
                                            "manifest in place of the name"));
  }
  OnKafka on_kafka;
  auto pipeline = pipeline::LoadPipeline(text.str(), run_.manifest_file());
  if (!pipeline.ok()) return pipeline.status();
  on_kafka.pipeline = *std::move(pipeline);
  auto config = kafka::ConfigFor(on_kafka.pipeline, brokers.empty() ? run_.brokers : brokers,
                                 base::Secrets(run_.secrets_dir), run_.files_dir);
  if (!config.ok()) return config.status();
  on_kafka.config = *std::move(config);
  return on_kafka;
}

}  // namespace levada::cli
