#include "core/pipeline/plan.h"

#include <algorithm>
#include <set>

#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/pipeline/digest.h"
#include "core/pipeline/expand.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/visit.h"

namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;

std::string NamespaceOf(const v1::Pipeline& pipeline) {
  const std::string& name = pipeline.metadata().namespace_();
  return name.empty() ? "default" : name;
}

// Texts of `message` with this format: the topics, connections or files that it names.
std::set<std::string> NamesIn(const google::protobuf::Message& message, v1::Format format) {
  std::set<std::string> names;
  VisitTexts(message, "",
             [&](const std::string&, const FieldDescriptor& field, const std::string& text) {
               if (RulesOf(field).format() == format) names.insert(text);
             });
  return names;
}

// What only the operator acts on stays out of slices: no change of it restarts a worker.
void ClearClusterOnly(google::protobuf::Message* message) {
  const auto& type = *message->GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (RulesOf(*type.field(i)).cluster_only()) {
      message->GetReflection()->ClearField(message, type.field(i));
    }
  }
}

// The files that the slice names and that come from buckets, with the way there.
void AddFetchedFiles(const v1::PipelineSpec& spec, v1::PipelineSpec* slice) {
  const std::set<std::string> named = NamesIn(*slice, v1::FILE);
  for (const v1::MountedFile& file : spec.files()) {
    if (!file.has_s3() || !named.contains(file.path())) continue;
    *slice->add_files() = file;
    const auto connection = spec.connections().find(file.s3().via());
    if (connection == spec.connections().end()) continue;
    (*slice->mutable_connections())[connection->first] = connection->second;
  }
}

v1::Pipeline Slice(const v1::Pipeline& pipeline, const v1::Stage& stage) {
  const v1::PipelineSpec& spec = pipeline.spec();
  v1::Pipeline slice;
  slice.set_api_version(pipeline.api_version());
  slice.set_kind(pipeline.kind());
  slice.mutable_metadata()->set_name(pipeline.metadata().name());
  slice.mutable_metadata()->set_namespace_(NamespaceOf(pipeline));

  const std::set<std::string> connections = NamesIn(stage, v1::CONNECTION);
  for (const auto& [name, connection] : spec.connections()) {
    if (connection.has_kafka() || connections.contains(name)) {
      (*slice.mutable_spec()->mutable_connections())[name] = connection;
    }
  }
  const std::set<std::string> topics = NamesIn(stage, v1::TOPIC);
  for (const v1::Topic& topic : spec.topics()) {
    if (!topics.contains(topic.name())) continue;
    v1::Topic* copy = slice.mutable_spec()->add_topics();
    *copy = topic;
    copy->clear_partitions();
    copy->clear_replication();
    copy->clear_retention();
    copy->clear_config();
    ClearClusterOnly(copy);
  }
  v1::Stage* copy = slice.mutable_spec()->add_stages();
  *copy = stage;
  ClearClusterOnly(copy);
  AddFetchedFiles(spec, slice.mutable_spec());
  if (!spec.dead_letters().topic().empty()) {
    slice.mutable_spec()->mutable_dead_letters()->set_topic(spec.dead_letters().topic());
  }
  return slice;
}

PlannedStage PlanStage(const v1::Pipeline& pipeline, const v1::Stage& stage) {
  PlannedStage planned;
  planned.name = stage.name();
  planned.part_of = stage.name();
  planned.kind = StageKind(stage);
  planned.service = ServiceName(stage);
  planned.input = InputTopic(stage);
  planned.outputs = OutputTopics(stage);
  if (!stage.has_ingest()) planned.consumer_group = ConsumerGroup(pipeline, stage.name());
  planned.slice = Slice(pipeline, stage);
  planned.slice_yaml = ToYaml(planned.slice);
  planned.slice_hash = Hash(planned.slice_yaml);
  return planned;
}

constexpr std::string_view kRepartitionEnd = ".input";

// Kafka's retention.ms for what the manifest says; -1 keeps records for ever.
std::string RetentionMs(const std::string& retention) {
  const auto duration = base::ParseDuration(retention);
  const int64_t ms = duration.ok() ? duration->count() : 0;
  return base::StrCat(ms == 0 ? -1 : ms);
}

// The largest event that may get into each topic, where ingest bounds it.
std::map<std::string, int64_t> LargestEvents(const v1::Pipeline& pipeline) {
  std::map<std::string, int64_t> largest;
  const auto raise = [&](const std::string& topic, int64_t bytes) {
    int64_t& value = largest[topic];
    if (bytes <= value) return false;
    value = bytes;
    return true;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (const v1::Stage& stage : pipeline.spec().stages()) {
      const auto size = base::ParseBytes(stage.ingest().max_event_size());
      if (stage.has_ingest() && size.ok()) changed |= raise(stage.ingest().to(), *size);
      if (!stage.has_scoring()) continue;
      const int64_t bytes = largest[stage.scoring().from()];
      for (const std::string& topic : OutputTopics(stage)) changed |= raise(topic, bytes);
    }
  }
  return largest;
}

// Room for the record's key and headers, and for the fields that a stage adds.
constexpr int64_t kRecordOverheadBytes = 1 << 20;

void AllowEvents(int64_t bytes, PlannedTopic* topic) {
  if (bytes > 0) topic->config["max.message.bytes"] = base::StrCat(bytes + kRecordOverheadBytes);
}

// Records of state are as large as the largest state of a key: what a producer takes, less some.
constexpr int64_t kMaxStateBytes = 15 << 20;
// Kafka's own default. Said here, for workers go by it: a snapshot that is older than tombstones
// stay would bring keys back.
constexpr int64_t kTombstonesMs = 24 * 3'600'000;

PlannedTopic PlanChangelog(const v1::Pipeline& pipeline, const v1::Stage& stage) {
  // Partition by partition beside the topic that is read.
  const v1::Topic* from = FindTopic(pipeline, stage.scoring().from());
  PlannedTopic topic{.name = ChangelogTopic(pipeline, stage.name()),
                     .role = PlannedTopic::Role::kChangelog,
                     .partitions = from == nullptr ? 1 : static_cast<int>(from->partitions())};
  if (from != nullptr && from->replication() > 0) {
    topic.replication = static_cast<int>(from->replication());
  }
  topic.config = {{"cleanup.policy", "compact"},
                  {"delete.retention.ms", base::StrCat(kTombstonesMs)},
                  {"max.message.bytes", base::StrCat(kMaxStateBytes)}};
  return topic;
}

std::vector<PlannedTopic> PlanTopics(const v1::Pipeline& pipeline,
                                     const std::vector<std::string>& repartition_topics) {
  using Role = PlannedTopic::Role;
  const v1::PipelineSpec& spec = pipeline.spec();
  const std::map<std::string, int64_t> largest = LargestEvents(pipeline);
  std::vector<PlannedTopic> topics;
  int64_t largest_of_all = 0;
  for (const v1::Topic& topic : spec.topics()) {
    PlannedTopic planned{.name = topic.name(), .partitions = static_cast<int>(topic.partitions())};
    if (topic.replication() > 0) planned.replication = static_cast<int>(topic.replication());
    planned.config.insert(topic.config().begin(), topic.config().end());
    if (topic.compacted()) planned.config["cleanup.policy"] = "compact";
    if (!topic.retention().empty()) {
      planned.config["retention.ms"] = RetentionMs(topic.retention());
    }
    const auto it = largest.find(topic.name());
    if (it != largest.end()) AllowEvents(it->second, &planned);
    if (it != largest.end()) largest_of_all = std::max(largest_of_all, it->second);
    const bool between = std::find(repartition_topics.begin(), repartition_topics.end(),
                                   topic.name()) != repartition_topics.end();
    if (between) planned.role = Role::kRepartition;
    topics.push_back(std::move(planned));
  }
  PlannedTopic dead_letters{.name = spec.dead_letters().topic(),
                            .role = Role::kDeadLetters,
                            .partitions = static_cast<int>(spec.dead_letters().partitions())};
  dead_letters.config["retention.ms"] = RetentionMs(spec.dead_letters().retention());
  AllowEvents(largest_of_all, &dead_letters);
  topics.push_back(std::move(dead_letters));

  const std::map<std::string, std::string> compact = {{"cleanup.policy", "compact"}};
  for (const v1::Stage& stage : spec.stages()) {
    if (stage.has_notify()) {
      // Partition by partition beside the topic that is read: a worker reads the log of its own.
      const v1::Topic* from = FindTopic(pipeline, stage.notify().from());
      topics.push_back({.name = SentTopic(pipeline, stage.name()),
                        .role = Role::kSent,
                        .partitions = from == nullptr ? 1 : static_cast<int>(from->partitions()),
                        .config = compact});
    }
    if (KeepsState(stage.scoring())) topics.push_back(PlanChangelog(pipeline, stage));
    if (stage.ingest().has_file()) {
      topics.push_back({.name = PositionsTopic(pipeline, stage.name()),
                        .role = Role::kPositions,
                        .config = compact});
    }
  }
  return topics;
}

}  // namespace

std::string NamePrefix(const v1::Pipeline& pipeline) {
  return base::StrCat("levada.", NamespaceOf(pipeline), ".", pipeline.metadata().name(), ".");
}

std::string ConsumerGroup(const v1::Pipeline& pipeline, std::string_view stage) {
  return base::StrCat(NamePrefix(pipeline), stage);
}

std::string DeadLetterTopic(const v1::Pipeline& pipeline) {
  const std::string& topic = pipeline.spec().dead_letters().topic();
  return topic.empty() ? base::StrCat(NamePrefix(pipeline), "dead-letters") : topic;
}

std::string SentTopic(const v1::Pipeline& pipeline, std::string_view stage) {
  return base::StrCat(NamePrefix(pipeline), stage, ".sent");
}

std::string PositionsTopic(const v1::Pipeline& pipeline, std::string_view stage) {
  return base::StrCat(NamePrefix(pipeline), stage, ".positions");
}

// Of one object there is one copy, whatever it is called in the manifest.
std::string FetchedName(const v1::Pipeline& pipeline, const v1::BucketFile& file) {
  const auto connection = pipeline.spec().connections().find(file.via());
  const std::string endpoint =
      connection == pipeline.spec().connections().end() ? "" : connection->second.s3().endpoint();
  return Hash(base::StrCat(endpoint, "\n", file.bucket(), "\n", file.key()));
}

std::string ChangelogTopic(const v1::Pipeline& pipeline, std::string_view stage) {
  return base::StrCat(NamePrefix(pipeline), stage, ".changelog");
}

std::string RepartitionTopic(const v1::Pipeline& pipeline, std::string_view part) {
  return base::StrCat(NamePrefix(pipeline), part, kRepartitionEnd);
}

bool IsRepartitionTopic(const v1::Pipeline& pipeline, std::string_view topic) {
  return topic.starts_with(NamePrefix(pipeline)) && topic.ends_with(kRepartitionEnd);
}

std::string_view StageKind(const v1::Stage& stage) {
  if (stage.has_ingest()) return "ingest";
  if (stage.has_scoring()) return "scoring";
  if (stage.has_indexing()) return "indexing";
  if (stage.has_archiving()) return "archiving";
  return stage.has_notify() ? "notify" : "";
}

std::string ServiceName(const v1::Stage& stage) {
  return base::StrCat("levada-", StageKind(stage));
}

std::string_view InputTopic(const v1::Stage& stage) {
  if (stage.has_ingest()) return "";
  if (stage.has_scoring()) return stage.scoring().from();
  if (stage.has_indexing()) return stage.indexing().from();
  if (stage.has_archiving()) return stage.archiving().from();
  return stage.has_notify() ? std::string_view(stage.notify().from()) : std::string_view();
}

std::vector<std::string> OutputTopics(const v1::Stage& stage) {
  std::vector<std::string> topics;
  const auto add = [&](const std::string& topic) {
    if (!topic.empty() && std::find(topics.begin(), topics.end(), topic) == topics.end()) {
      topics.push_back(topic);
    }
  };
  if (stage.has_ingest()) {
    add(stage.ingest().to());
    return topics;
  }
  add(stage.scoring().to());
  for (const v1::Output& output : stage.scoring().outputs()) add(output.to());
  for (const v1::Step& step : stage.scoring().steps()) add(step.window().late_to());
  return topics;
}

const v1::Topic* FindTopic(const v1::Pipeline& pipeline, std::string_view name) {
  for (const v1::Topic& topic : pipeline.spec().topics()) {
    if (topic.name() == name) return &topic;
  }
  return nullptr;
}

const v1::Stage* FindStage(const v1::Pipeline& pipeline, std::string_view name) {
  for (const v1::Stage& stage : pipeline.spec().stages()) {
    if (stage.name() == name) return &stage;
  }
  return nullptr;
}

Plan Compile(const v1::Pipeline& pipeline) {
  Plan plan;
  const Expanded expanded = Expand(pipeline);
  plan.pipeline = expanded.pipeline;
  ApplyDefaults(&plan.pipeline);
  plan.topics = PlanTopics(plan.pipeline, expanded.repartition_topics);
  for (const v1::Stage& stage : expanded.pipeline.spec().stages()) {
    PlannedStage& planned = plan.stages.emplace_back(PlanStage(expanded.pipeline, stage));
    const auto part = expanded.part_of.find(stage.name());
    if (part != expanded.part_of.end()) planned.part_of = part->second;
  }
  return plan;
}

}  // namespace levada::pipeline
