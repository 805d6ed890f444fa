#include "operator/topics/tracked.h"

#include <algorithm>

namespace levada::topics {
namespace {

using kube::Json;

bool Scales(const pipeline::Plan& plan) {
  return std::any_of(plan.pipeline.spec().stages().begin(), plan.pipeline.spec().stages().end(),
                     [](const v1::Stage& stage) { return stage.has_autoscaling(); });
}

std::shared_ptr<const pipeline::Plan> WithoutSlices(const pipeline::Plan& plan) {
  auto copy = std::make_shared<pipeline::Plan>(plan);
  for (pipeline::PlannedStage& stage : copy->stages) {
    stage.slice.Clear();
    stage.slice_yaml.clear();
  }
  return copy;
}

}  // namespace

std::string TextOf(const Json& rows) {
  return rows.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json RowsJson(const std::vector<Row>& rows) {
  Json json = Json::array();
  for (const Row& row : rows) {
    Json one = {{"name", row.name},
                {"role", RoleName(row.role)},
                {"partitions", row.partitions},
                {"ready", row.ready},
                {"managed", row.managed}};
    if (!row.message.empty()) one["message"] = row.message;
    json.push_back(std::move(one));
  }
  return json;
}

void Tracked::Take(const pipeline::Plan& wanted) {
  manifest = wanted.pipeline.SerializeAsString();
  plan = WithoutSlices(wanted);
  scales = Scales(wanted);
  topics.clear();
  for (const pipeline::PlannedTopic& topic : wanted.topics) topics.push_back(topic.name);
  stages.clear();
  for (const pipeline::PlannedStage& stage : wanted.stages) {
    if (!stage.input.empty()) stages.push_back({stage.name, {stage.consumer_group, stage.input}});
  }
}

std::shared_ptr<const pipeline::Plan> Tracked::PlanOf() const {
  if (plan != nullptr) return plan;
  v1::Pipeline pipeline;
  pipeline.ParseFromString(manifest);
  return std::make_shared<const pipeline::Plan>(pipeline::Compile(pipeline));
}

}  // namespace levada::topics
