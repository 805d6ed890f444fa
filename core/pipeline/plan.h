#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "levada/v1/pipeline.pb.h"

// What a pipeline comes to: the Kafka topics that must exist and the workers that must run. The
// local runner and the operator both carry out this plan.
//
//   Plan plan = Compile(pipeline);            // of a pipeline without errors
//   for (const PlannedTopic& topic : plan.topics) admin.Ensure(topic);
//   for (const PlannedStage& stage : plan.stages) Start(stage.service, stage.slice);
//
// Thread-safety: pure functions.
namespace levada::pipeline {

// Fills every absent field that has a default, so that services read plain values. Sections that
// are on by default (`bulk`, `roll`, `deadLetters`) are created, as are the names that are made
// from others (`levada.<namespace>.<pipeline>.dead-letters`, `<as>_rules`, `<as>_model`). Applying
// it again changes nothing.
void ApplyDefaults(v1::Pipeline* pipeline);

// Names that follow from others. `pipeline` may or may not have its defaults applied.
//
// All that a pipeline has of its own on Kafka (groups, transactional ids, topics) begins with its
// prefix, `levada.<namespace>.<pipeline>.`, so that pipelines of several namespaces share a Kafka
// and one prefixed ACL is enough for a team. The parts are DNS labels of at most 63 characters:
// without dots, no two pipelines come to one name; without underscores, none meets Kafka's rule
// that `.` and `_` are the same; the longest has 208 characters of Kafka's 249.
std::string NamePrefix(const v1::Pipeline& pipeline);
std::string ConsumerGroup(const v1::Pipeline& pipeline, std::string_view stage);
std::string DeadLetterTopic(const v1::Pipeline& pipeline);
// The log of what a notify stage has sent (compacted).
std::string SentTopic(const v1::Pipeline& pipeline, std::string_view stage);
// How far an ingest stage has read its file (compacted).
std::string PositionsTopic(const v1::Pipeline& pipeline, std::string_view stage);
// What a scoring stage remembers (compacted).
std::string ChangelogTopic(const v1::Pipeline& pipeline, std::string_view stage);
// What the part of a stage reads whose events are told apart otherwise than in the stage's topic
// (core/pipeline/expand.h).
std::string RepartitionTopic(const v1::Pipeline& pipeline, std::string_view part);
bool IsRepartitionTopic(const v1::Pipeline& pipeline, std::string_view topic);
// "scoring" for a stage with a scoring section; empty for none.
std::string_view StageKind(const v1::Stage& stage);
// "levada-scoring"
std::string ServiceName(const v1::Stage& stage);

// The file that an object of a bucket is fetched into, in a folder for such files.
std::string FetchedName(const v1::Pipeline& pipeline, const v1::BucketFile& file);

// Topics that a stage reads (ingest: none) and writes, in the manifest's order; the dead-letter
// topic and the pipeline's own topics are not among them.
std::string_view InputTopic(const v1::Stage& stage);
std::vector<std::string> OutputTopics(const v1::Stage& stage);

const v1::Topic* FindTopic(const v1::Pipeline& pipeline, std::string_view name);
const v1::Stage* FindStage(const v1::Pipeline& pipeline, std::string_view name);

struct PlannedTopic {
  enum class Role { kDeclared, kDeadLetters, kSent, kPositions, kChangelog, kRepartition };
  std::string name;
  Role role = Role::kDeclared;
  int partitions = 1;
  int replication = -1;                       // -1: the cluster's default
  std::map<std::string, std::string> config;  // Kafka's topic settings; only those that matter
};

struct PlannedStage {
  std::string name;
  std::string part_of;         // the stage of the manifest; `name`, unless that came to several
  std::string kind;            // "scoring"
  std::string service;         // "levada-scoring"
  std::string consumer_group;  // empty for ingest, which consumes nothing
  std::string input;           // topic; empty for ingest
  std::vector<std::string> outputs;
  // A Pipeline manifest with this stage, the connections and topics it touches, the files among
  // those it names that come from buckets, and of the topics only what a worker reads: a longer
  // retention restarts nobody.
  v1::Pipeline slice;
  std::string slice_yaml;
  std::string slice_hash;  // 16 hexadecimal digits; the stage is restarted when it changes
};

struct Plan {
  v1::Pipeline pipeline;  // defaults applied, stages in parts (core/pipeline/expand.h)
  std::vector<PlannedTopic> topics;
  std::vector<PlannedStage> stages;
};

Plan Compile(const v1::Pipeline& pipeline);

}  // namespace levada::pipeline
