// The topics of a plan, by the operator's rules.

#include <map>

#include "cli/plan/changes.h"
#include "core/base/strings.h"
#include "core/kafka/admin.h"
#include "operator/controller/check.h"
#include "operator/topics/access.h"
#include "operator/topics/decide.h"

namespace levada::cli {
namespace {

using kube::Json;

constexpr std::chrono::seconds kReachKafka{5};

template <typename Each>
void ForEachTopic(const Json& pipeline, const Each& each) {
  const Json* rows = kube::Find(pipeline, {"status", "topics"});
  if (rows == nullptr || !rows->is_array()) return;
  for (const Json& row : *rows) each(row);
}

std::set<std::string> ManagedIn(const Json& pipeline) {
  std::set<std::string> managed;
  ForEachTopic(pipeline, [&](const Json& row) {
    if (row.value("managed", false)) managed.insert(kube::TextAt(row, {"name"}));
  });
  return managed;
}

std::string BrokersOf(const v1::Pipeline& pipeline) {
  const auto kafka = pipeline.spec().connections().find("kafka");
  return kafka == pipeline.spec().connections().end() ? "" : kafka->second.kafka().brokers();
}

// Other pipelines that manage topics of the same Kafka. Of several the first by name, as the
// operator has it.
std::map<std::string, topics::Owner> Owners(const std::vector<Json>& pipelines,
                                            const Json& pipeline, const std::string& brokers,
                                            const render::Settings& settings,
                                            const std::set<std::string>& managed) {
  std::map<kube::ObjectKey, const Json*> others;
  for (const Json& other : pipelines) others[kube::KeyOf(other)] = &other;
  const kube::ObjectKey key = kube::KeyOf(pipeline);
  others.erase(key);
  std::map<std::string, topics::Owner> owners;
  for (const auto& [name, other] : others) {
    const controller::Checked checked = controller::Check(*other, settings);
    if (!checked.valid || BrokersOf(checked.plan.pipeline) != brokers) continue;
    for (const std::string& topic : ManagedIn(*other)) {
      if (managed.contains(topic) && key < name) continue;
      owners.try_emplace(topic, topics::Owner{name.ToText()});
    }
  }
  return owners;
}

absl::StatusOr<std::map<std::string, kafka::TopicState>> Describe(
    kafka::ClientConfig config, const pipeline::Plan& plan, const std::set<std::string>& managed) {
  auto admin = kafka::Admin::Create(config, kReachKafka);
  if (!admin.ok()) return admin.status();
  if (absl::Status reached = (*admin)->WaitForBroker(kReachKafka); !reached.ok()) return reached;
  std::set<std::string> names = managed;
  for (const pipeline::PlannedTopic& topic : plan.topics) names.insert(topic.name);
  return (*admin)->Describe({names.begin(), names.end()});
}

// As far as the status tells: partitions, but no settings, which are taken for right.
std::map<std::string, kafka::TopicState> FromStatus(const Json& pipeline,
                                                    const pipeline::Plan& plan) {
  std::map<std::string, kafka::TopicState> live;
  ForEachTopic(pipeline, [&](const Json& row) {
    const std::string name = kube::TextAt(row, {"name"});
    const int partitions = static_cast<int>(kube::IntAt(row, {"partitions"}));
    if (partitions == 0) return;
    live[name] = {.name = name, .partitions = partitions};
    for (const pipeline::PlannedTopic& topic : plan.topics) {
      if (topic.name != name) continue;
      live[name].config = topic.config;
      live[name].replication = topic.replication;
    }
  });
  return live;
}

topics::Decision Decide(const topics::Input& input,
                        const std::map<std::string, kafka::TopicState>& live) {
  topics::Decision decision = topics::Decide(input, live);
  if (!decision.claims) return decision;
  // First the operator writes that they are its own, then it makes them.
  topics::Input claimed = input;
  for (const topics::Row& row : decision.rows) {
    if (row.managed) claimed.managed.insert(row.name);
  }
  return topics::Decide(claimed, live);
}

}  // namespace

void PlanTopics(const Cluster& cluster, const render::Settings& settings, const Json& pipeline,
                const pipeline::Plan& plan, const PlanOptions& options, ClusterChanges* changes) {
  changes->topics = plan.topics.size();
  const std::set<std::string> managed = ManagedIn(pipeline);
  const std::string brokers = BrokersOf(plan.pipeline);
  auto config =
      topics::ConfigOf(*cluster.client, settings, kube::NamespaceOf(pipeline), plan.pipeline);
  if (config.ok() && !options.brokers.empty()) config->brokers = options.brokers;
  changes->kafka = config.ok() ? config->brokers : brokers;
  auto live = config.ok() ? Describe(*config, plan, managed) : config.status();
  if (!live.ok()) {
    changes->notes.push_back(base::StrCat(
        "topics are those that the status tells, without their settings, since Kafka is not "
        "reached from here: ",
        base::View(live.status().message()), ". Another address: --kafka HOST:PORT"));
    live = FromStatus(pipeline, plan);
  }
  auto others = cluster.client->List(kube::kPipelines);
  if (!others.ok()) {
    others = cluster.client->List(kube::kPipelines, {.name_space = cluster.name_space});
    changes->notes.push_back(
        "pipelines of other namespaces may not be listed: topics that one of them manages are "
        "taken for free");
  }
  const topics::Decision decision = Decide(
      {.plan = plan,
       .managed = managed,
       .owners = Owners(others.ok() ? *others : std::vector<Json>(), pipeline, brokers, settings,
                        managed),
       .accepted = topics::ParseAccepted(kube::AnnotationOf(pipeline, topics::kAcceptRepartition))},
      *live);
  changes->topic_changes = decision.changes;
  for (const topics::Row& row : decision.rows) {
    if (!row.message.empty()) {
      (row.ready ? changes->notes : changes->refused)
          .push_back(base::StrCat("topic ", row.name, ": ", row.message));
    }
  }
}

}  // namespace levada::cli
