#include "operator/topics/decide.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/strings.h"
#include "core/pipeline/expand.h"

namespace levada::topics {
namespace {

using kafka::TopicChange;
using pipeline::PlannedTopic;
using Kind = TopicChange::Kind;
using Role = PlannedTopic::Role;

kafka::NewTopic AsNew(const PlannedTopic& topic) {
  return {topic.name, topic.partitions, topic.replication, topic.config};
}

// Of no use to anybody without the stage whose log it is.
bool OwnLog(Role role) { return role != Role::kDeclared && role != Role::kDeadLetters; }

std::string Join(const std::vector<TopicChange>& changes) {
  std::string text;
  for (const TopicChange& change : changes) {
    base::StrAppend(&text, text.empty() ? "" : "; ", change.text);
  }
  return text;
}

class Decider {
 public:
  Decider(const Input& input, const std::map<std::string, kafka::TopicState>& live)
      : input_(input), live_(live) {}

  Decision Run() {
    for (const PlannedTopic& topic : input_.plan.topics) One(topic);
    for (const std::string& name : input_.managed) Left(name);
    if (decision_.claims) decision_.changes.clear();
    Conclude(&decision_);
    return std::move(decision_);
  }

 private:
  void One(const PlannedTopic& planned) {
    Row row{.name = planned.name, .role = planned.role};
    const auto found = live_.find(planned.name);
    const auto owner = input_.owners.find(planned.name);
    const v1::Topic* topic = pipeline::FindTopic(input_.plan.pipeline, planned.name);
    row.managed = owner == input_.owners.end() &&
                  (input_.managed.contains(planned.name) || (topic != nullptr && topic->adopt()));
    if (found == live_.end()) {
      Missing(planned, owner == input_.owners.end() ? nullptr : &owner->second, &row);
    } else {
      row.partitions = found->second.partitions;
      const std::vector<TopicChange> changes =
          CompareTopic(AsNew(planned), found->second, RulesOf(planned, topic, row.managed));
      if (owner != input_.owners.end()) {
        Others(planned, owner->second, changes, &row);
      } else if (row.managed) {
        Managed(changes, &row);
      } else {
        row.ready = true;
        if (!changes.empty()) {
          row.message = base::StrCat(
              "it was there before the pipeline and is used as it is; `adopt: true` would: ",
              Join(changes));
        }
      }
    }
    decision_.rows.push_back(std::move(row));
  }

  kafka::TopicRules RulesOf(const PlannedTopic& planned, const v1::Topic* topic,
                            bool managed) const {
    kafka::TopicRules rules;
    rules.resets = managed;
    if (topic != nullptr) {
      rules.unmanaged.insert(topic->unmanaged().begin(), topic->unmanaged().end());
    }
    rules.any_partitions = planned.role == Role::kSent;
    rules.keys_stay = KeysStay(input_.plan, planned);
    if (!rules.keys_stay.empty()) {
      base::StrAppend(&rules.keys_stay, ". To do it all the same: annotation ", kAcceptRepartition,
                      ": ", planned.name, "=", planned.partitions);
    }
    const auto accepted = input_.accepted.find(planned.name);
    if (accepted != input_.accepted.end()) rules.accepted_partitions = accepted->second;
    return rules;
  }

  void Missing(const PlannedTopic& planned, const Owner* owner, Row* row) {
    if (owner != nullptr) {
      row->message = base::StrCat("it is not there yet: the pipeline ", owner->pipeline,
                                  ", which was first to declare it, makes it");
      return;
    }
    row->managed = true;
    if (!input_.managed.contains(planned.name)) {
      decision_.claims = true;
      row->message = "is being made";
      return;
    }
    for (TopicChange& change : kafka::Compare({AsNew(planned)}, {})) {
      decision_.changes.push_back(std::move(change));
    }
    row->partitions = planned.partitions;
    row->ready = true;
  }

  void Managed(const std::vector<TopicChange>& changes, Row* row) {
    row->ready = true;
    for (const TopicChange& change : changes) {
      if (change.kind == Kind::kRefused) {
        row->ready = false;
        base::StrAppend(&row->message, row->message.empty() ? "" : "; ", change.text);
        continue;
      }
      if (change.kind == Kind::kGrow) row->partitions = change.topic.partitions;
      decision_.changes.push_back(change);
    }
    // Told to adopt it: from now on it is the pipeline's.
    if (!input_.managed.contains(row->name)) decision_.claims = true;
  }

  void Others(const PlannedTopic& planned, const Owner& owner,
              const std::vector<TopicChange>& changes, Row* row) {
    if (OwnLog(planned.role)) {
      row->message = base::StrCat("the pipeline ", owner.pipeline,
                                  " declares a topic of this name, which belongs to this pipeline "
                                  "alone: rename it there");
      return;
    }
    row->ready = changes.empty();
    if (!changes.empty()) {
      row->message =
          base::StrCat("the pipeline ", owner.pipeline,
                       " manages it and wants it otherwise; here it would be: ", Join(changes),
                       ". Write the same in both");
    }
  }

  // Managed once, and no longer in the manifest: kept, and not forgotten.
  void Left(const std::string& name) {
    for (const Row& row : decision_.rows) {
      if (row.name == name) return;
    }
    const auto found = live_.find(name);
    if (found == live_.end()) return;
    decision_.rows.push_back(
        {.name = name,
         .partitions = found->second.partitions,
         .ready = true,
         .managed = true,
         .message = "no longer in the manifest; it is kept with its data, delete it by hand"});
  }

  const Input& input_;
  const std::map<std::string, kafka::TopicState>& live_;
  Decision decision_;
};

}  // namespace

void Conclude(Decision* decision) {
  std::string wrong;
  std::string notes;
  int ready = 0;
  for (const Row& row : decision->rows) {
    if (row.ready) ++ready;
    if (row.message.empty()) continue;
    std::string* text = row.ready ? &notes : &wrong;
    base::StrAppend(text, text->empty() ? "" : "\n", row.name, ": ", row.message);
  }
  decision->ready = !decision->claims && ready == static_cast<int>(decision->rows.size());
  decision->reason = decision->ready    ? "TopicsReady"
                     : decision->claims ? "Creating"
                                        : "TopicsDiffer";
  decision->message = wrong.empty() ? base::StrCat(ready, " of ", decision->rows.size(),
                                                   " topics are as they should be",
                                                   notes.empty() ? "" : ".\n", notes)
                                    : wrong;
}

Decision Decide(const Input& input, const std::map<std::string, kafka::TopicState>& live) {
  return Decider(input, live).Run();
}

std::map<std::string, int> ParseAccepted(std::string_view annotation) {
  std::map<std::string, int> accepted;
  for (absl::string_view part : absl::StrSplit(base::AbslView(annotation), ',')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(absl::StripAsciiWhitespace(part), absl::MaxSplits('=', 1));
    int partitions = 0;
    if (absl::SimpleAtoi(pair.second, &partitions)) accepted[std::string(pair.first)] = partitions;
  }
  return accepted;
}

std::string KeysStay(const pipeline::Plan& plan, const PlannedTopic& topic) {
  const auto policy = topic.config.find("cleanup.policy");
  if (policy != topic.config.end() && policy->second.find("compact") != std::string::npos) {
    return "it is a table, and with more partitions its keys would move away from their old values";
  }
  for (const v1::Stage& stage : plan.pipeline.spec().stages()) {
    if (stage.scoring().from() != topic.name || !pipeline::KeepsState(stage.scoring())) continue;
    return base::StrCat("the stage ", stage.name(),
                        " remembers events by key, and keys would move away from their state");
  }
  const v1::Topic* declared = pipeline::FindTopic(plan.pipeline, topic.name);
  if (declared == nullptr || declared->key().empty()) return "";
  for (const v1::Stage& stage : plan.pipeline.spec().stages()) {
    const v1::Indexing& indexing = stage.indexing();
    if (!stage.has_indexing() || indexing.from() != topic.name) continue;
    if (indexing.id().empty() || !indexing.version().empty()) continue;
    return base::StrCat(
        "the stage ", stage.name(),
        " tells newer from older events of a document by their place in the partition, and keys "
        "would move between partitions: give it a `version`");
  }
  return "";
}

std::vector<std::string> ToDelete(const std::set<std::string>& managed,
                                  const std::set<std::string>& declared_by_others) {
  std::vector<std::string> topics;
  std::set_difference(managed.begin(), managed.end(), declared_by_others.begin(),
                      declared_by_others.end(), std::back_inserter(topics));
  return topics;
}

std::string_view RoleName(pipeline::PlannedTopic::Role role) {
  using Role = pipeline::PlannedTopic::Role;
  switch (role) {
    case Role::kDeadLetters:
      return "DeadLetters";
    case Role::kSent:
      return "Sent";
    case Role::kPositions:
      return "Positions";
    case Role::kChangelog:
      return "Changelog";
    case Role::kRepartition:
      return "Repartition";
    case Role::kDeclared:
      break;
  }
  return "Declared";
}

}  // namespace levada::topics
