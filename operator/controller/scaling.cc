#include "operator/controller/scaling.h"

#include <algorithm>

#include "core/base/time.h"

namespace levada::controller {
namespace {

using kube::Json;

autoscale::Time TimeOf(int64_t micros) {
  return autoscale::Time(std::chrono::milliseconds(micros / 1000));
}

// The row of a stage in the status so far, or null.
const Json* RowOf(const Json& pipeline, std::string_view stage) {
  const Json* rows = kube::Find(pipeline, {"status", "stages"});
  if (rows == nullptr || !rows->is_array()) return nullptr;
  for (const Json& row : *rows) {
    if (kube::TextAt(row, {"name"}) == stage) return &row;
  }
  return nullptr;
}

std::string LastScaleTime(const Json& pipeline, std::string_view stage) {
  const Json* row = RowOf(pipeline, stage);
  return row == nullptr ? "" : kube::TextAt(*row, {"autoscaling", "lastScaleTime"});
}

autoscale::History HistoryFrom(const std::string& last_scale_time) {
  autoscale::History history;
  if (const auto micros = base::ParseTimestamp(last_scale_time); micros.ok()) {
    history.last_change = TimeOf(*micros);
  }
  return history;
}

std::vector<autoscale::Downstream> DownstreamOf(const pipeline::Plan& plan,
                                                const pipeline::PlannedStage& stage,
                                                const PipelineInKafka& kafka) {
  std::vector<autoscale::Downstream> downstream;
  for (const pipeline::PlannedStage& next : plan.stages) {
    const auto load = kafka.stages.find(next.name);
    if (load == kafka.stages.end() ||
        std::find(stage.outputs.begin(), stage.outputs.end(), next.input) == stage.outputs.end()) {
      continue;
    }
    autoscale::Downstream sum{.stage = next.name};
    for (const autoscale::PartitionLoad& partition : load->second.partitions) {
      sum.end += partition.end;
      sum.lag += partition.lag;
    }
    downstream.push_back(std::move(sum));
  }
  return downstream;
}

autoscale::Observed Observe(const pipeline::Plan& plan, const pipeline::PlannedStage& stage,
                            const Json* deployment, const PipelineInKafka& kafka,
                            autoscale::Time now) {
  autoscale::Observed observed;
  observed.now = now;
  if (deployment != nullptr) {
    const int64_t all = kube::IntAt(*deployment, {"status", "replicas"});
    observed.replicas = static_cast<int>(kube::IntAt(*deployment, {"spec", "replicas"}));
    observed.ready = static_cast<int>(kube::IntAt(*deployment, {"status", "readyReplicas"}));
    observed.rolling_out = kube::IntAt(*deployment, {"status", "observedGeneration"}) <
                               kube::GenerationOf(*deployment) ||
                           kube::IntAt(*deployment, {"status", "updatedReplicas"}) < all;
  }
  if (const auto load = kafka.stages.find(stage.name); load != kafka.stages.end()) {
    observed.partitions = load->second.partitions;
  } else {
    // That all topics are there is no reason: their ends are read next.
    observed.unknown_because =
        kafka.ready.status == "True" ? "Kafka is asked" : kafka.ready.message;
  }
  observed.downstream = DownstreamOf(plan, stage, kafka);
  return observed;
}

}  // namespace

std::map<std::string, Scaled> Scaling::Of(const Json& pipeline, const pipeline::Plan& plan,
                                          const std::map<std::string, Json>& deployments,
                                          const PipelineInKafka& kafka, int64_t now_micros) {
  std::map<std::string, Scaled> scaled;
  const std::lock_guard lock(mutex_);
  Known& known = pipelines_[kube::KeyOf(pipeline)];
  if (known.uid != kube::UidOf(pipeline)) known = {.uid = kube::UidOf(pipeline)};
  for (const pipeline::PlannedStage& stage : plan.stages) {
    const v1::Stage* manifest = pipeline::FindStage(plan.pipeline, stage.name);
    if (manifest == nullptr || !manifest->has_autoscaling()) continue;
    std::string last_scale = LastScaleTime(pipeline, stage.name);
    const auto at = known.stages.try_emplace(stage.name, HistoryFrom(last_scale)).first;
    const auto deployment = deployments.find(stage.name);
    const Json* live = deployment == deployments.end() ? nullptr : &deployment->second;
    const autoscale::Observed observed = Observe(plan, stage, live, kafka, TimeOf(now_micros));
    autoscale::Decision decision =
        autoscale::Decide(autoscale::SettingsFrom(*manifest), observed, at->second);
    if (live != nullptr && decision.replicas != observed.replicas) {
      last_scale = kube::ToTime(now_micros);
    }
    Json status = {{"desiredReplicas", decision.desired}, {"message", decision.message}};
    if (!last_scale.empty()) status["lastScaleTime"] = last_scale;
    scaled[stage.name] = {.replicas = decision.replicas, .status = std::move(status)};
    at->second = std::move(decision.history);
  }
  return scaled;
}

void Scaling::Forget(const kube::ObjectKey& pipeline) {
  const std::lock_guard lock(mutex_);
  pipelines_.erase(pipeline);
}

}  // namespace levada::controller
