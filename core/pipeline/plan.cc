#include "core/pipeline/plan.h"

#include <openssl/evp.h>

#include <algorithm>
#include <set>

#include "absl/strings/escaping.h"
#include "core/base/strings.h"
#include "core/base/units.h"
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

// Texts of `stage` with this format: the topics or connections that it names.
std::set<std::string> NamesIn(const v1::Stage& stage, v1::Format format) {
  std::set<std::string> names;
  VisitTexts(stage, "",
             [&](const std::string&, const FieldDescriptor& field, const std::string& text) {
               if (RulesOf(field).format() == format) names.insert(text);
             });
  return names;
}

std::string Hash(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), 8));
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
  if (!spec.dead_letters().topic().empty()) {
    slice.mutable_spec()->mutable_dead_letters()->set_topic(spec.dead_letters().topic());
  }
  return slice;
}

PlannedStage PlanStage(const v1::Pipeline& pipeline, const v1::Stage& stage) {
  PlannedStage planned;
  planned.name = stage.name();
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

std::vector<PlannedTopic> PlanTopics(const v1::Pipeline& pipeline) {
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
  plan.pipeline = pipeline;
  ApplyDefaults(&plan.pipeline);
  plan.topics = PlanTopics(plan.pipeline);
  for (const v1::Stage& stage : pipeline.spec().stages()) {
    plan.stages.push_back(PlanStage(pipeline, stage));
  }
  return plan;
}

}  // namespace levada::pipeline
