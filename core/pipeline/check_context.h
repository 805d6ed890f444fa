#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/expr/env.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/problem.h"
#include "core/pipeline/source_map.h"
#include "levada/v1/pipeline.pb.h"

// What the checks share. Each check_*.cc looks at one concern; check.cc runs them all.
namespace levada::pipeline {

struct CheckContext {
  const v1::Pipeline& pipeline;
  const SourceMap& source;
  Problems* problems;

  // At the value of `path`, or of what holds it.
  void Error(std::string_view path, std::string message, std::string hint = "") const {
    problems->Add(source.At(path, std::move(message), std::move(hint)));
  }
  void Warn(std::string_view path, std::string message, std::string hint = "") const {
    Problem problem = source.At(path, std::move(message), std::move(hint));
    problem.severity = Severity::kWarning;
    problems->Add(std::move(problem));
  }
  const v1::Topic* Topic(std::string_view name) const { return FindTopic(pipeline, name); }
};

// What is required and absent; exactlyOne, atLeastOne and atMostOne. Of any message of the schema.
void CheckStructure(const google::protobuf::Message& message, const SourceMap& source,
                    Problems* problems);
// Names that are twice where they may be once.
void CheckUnique(const CheckContext& context);
// Names of topics and connections that nothing has, connections of another kind.
void CheckReferences(const CheckContext& context);
// Topics by themselves: key, timestamp, fields, compaction; names that Kafka would mix up.
void CheckTopics(const CheckContext& context);
// Connections by themselves; those that nothing uses.
void CheckConnections(const CheckContext& context);
// Stages that feed each other in a circle.
void CheckCycles(const CheckContext& context);
// What each kind of stage demands beyond its fields.
void CheckStages(const CheckContext& context);
// What a manifest says for the cluster: replicas, autoscaling, pods, volumes, files.
void CheckCluster(const CheckContext& context);
// Steps, conditions and templates, and whether the results fit the topics they go to.
void CheckExpressions(const CheckContext& context);
// A condition at `path` over the names of `env`.
void CheckCondition(const CheckContext& context, const std::string& path, const std::string& text,
                    expr::Env* env);
// What tests give and expect.
void CheckTests(const CheckContext& context);
// The events at the end of a stage's steps against the topic at `path` that they are written to.
void CheckOutputTopic(const CheckContext& context, const std::string& path, const v1::Topic* from,
                      const expr::Env& env, const v1::Topic& to);

// "spec.stages[3]"
std::string StagePath(int index);
std::string TopicPath(int index);
std::vector<std::string> TopicNames(const v1::Pipeline& pipeline);
// Names of a topic's declared fields.
std::vector<std::string> FieldNames(const v1::Topic& topic);

}  // namespace levada::pipeline
