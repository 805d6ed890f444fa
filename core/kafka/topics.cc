#include "core/kafka/topics.h"

#include "core/base/strings.h"

namespace levada::kafka {
namespace {

std::string Join(const std::map<std::string, std::string>& config) {
  std::string text;
  for (const auto& [name, value] : config) base::StrAppend(&text, ", ", name, "=", value);
  return text;
}

std::string Partitions(int count) {
  return base::StrCat(count, count == 1 ? " partition" : " partitions");
}

bool Compacted(const NewTopic& topic) {
  const auto policy = topic.config.find("cleanup.policy");
  return policy != topic.config.end() && policy->second.find("compact") != std::string::npos;
}

TopicChange Create(const NewTopic& topic) {
  std::string text = base::StrCat("create ", topic.name, ": ", Partitions(topic.partitions));
  if (topic.replication > 0) base::StrAppend(&text, ", replication ", topic.replication);
  return {TopicChange::Kind::kCreate, topic, text + Join(topic.config), {}};
}

void ComparePartitions(const NewTopic& want, const TopicState& have, const TopicRules& rules,
                       std::vector<TopicChange>* changes) {
  if (want.partitions == have.partitions || rules.any_partitions) return;
  if (want.partitions < have.partitions) {
    changes->push_back({TopicChange::Kind::kRefused,
                        want,
                        base::StrCat("leave ", want.name, " at ", Partitions(have.partitions),
                                     ": Kafka cannot take partitions away; write ", have.partitions,
                                     " in the manifest"),
                        {}});
  } else if (!rules.keys_stay.empty() && rules.accepted_partitions != want.partitions) {
    changes->push_back({TopicChange::Kind::kRefused, want,
                        base::StrCat("leave ", want.name, " at ", Partitions(have.partitions), ": ",
                                     rules.keys_stay)});
  } else {
    changes->push_back(
        {TopicChange::Kind::kGrow, want,
         base::StrCat("grow ", want.name, " from ", have.partitions, " to ",
                      Partitions(want.partitions),
                      " (keys are spread anew: their order holds only from here on)")});
  }
}

void CompareConfig(const NewTopic& want, const TopicState& have, const TopicRules& rules,
                   std::vector<TopicChange>* changes) {
  NewTopic differing = want;
  differing.config.clear();
  std::string text;
  for (const auto& [name, value] : want.config) {
    const auto found = have.config.find(name);
    if (rules.unmanaged.contains(name)) continue;
    if (found != have.config.end() && found->second == value) continue;
    differing.config[name] = value;
    base::StrAppend(&text, text.empty() ? "" : ", ", name, "=", value, " (was ",
                    found == have.config.end() ? "the default" : found->second, ")");
  }
  std::vector<std::string> resets;
  for (const auto& [name, value] : have.config) {
    if (!rules.resets || want.config.contains(name) || rules.unmanaged.contains(name)) continue;
    resets.push_back(name);
    base::StrAppend(&text, text.empty() ? "" : ", ", name, " to the default (was ", value, ")");
  }
  if (differing.config.empty() && resets.empty()) return;
  changes->push_back({TopicChange::Kind::kConfigure, differing,
                      base::StrCat("set ", want.name, ": ", text), std::move(resets)});
}

}  // namespace

std::vector<TopicChange> CompareTopic(const NewTopic& want, const TopicState& have,
                                      const TopicRules& rules) {
  std::vector<TopicChange> changes;
  ComparePartitions(want, have, rules, &changes);
  if (want.replication > 0 && want.replication != have.replication) {
    changes.push_back({TopicChange::Kind::kRefused, want,
                       base::StrCat("leave ", want.name, " at replication ", have.replication,
                                    ": change it with Kafka's own reassignment tool")});
  }
  CompareConfig(want, have, rules, &changes);
  return changes;
}

std::vector<TopicChange> Compare(const std::vector<NewTopic>& wanted,
                                 const std::map<std::string, TopicState>& have) {
  std::vector<TopicChange> changes;
  for (const NewTopic& want : wanted) {
    const auto found = have.find(want.name);
    if (found == have.end()) {
      changes.push_back(Create(want));
      continue;
    }
    TopicRules rules;
    if (Compacted(want)) {
      rules.keys_stay =
          "it is a table, and with more partitions its keys would move away from their old values; "
          "create a new topic";
    }
    const std::vector<TopicChange> one = CompareTopic(want, found->second, rules);
    changes.insert(changes.end(), one.begin(), one.end());
  }
  return changes;
}

absl::Status Apply(const std::vector<TopicChange>& changes, Admin* admin) {
  std::vector<NewTopic> created;
  for (const TopicChange& change : changes) {
    if (change.kind == TopicChange::Kind::kCreate) created.push_back(change.topic);
  }
  if (!created.empty()) {
    if (absl::Status status = admin->Create(created); !status.ok()) return status;
  }
  for (const TopicChange& change : changes) {
    absl::Status status;
    if (change.kind == TopicChange::Kind::kGrow) {
      status = admin->Grow(change.topic.name, change.topic.partitions);
    } else if (change.kind == TopicChange::Kind::kConfigure) {
      status = admin->SetConfig(change.topic.name, change.topic.config, change.resets);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace levada::kafka
