#include <algorithm>
#include <map>
#include <set>

#include "core/base/strings.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/visit.h"

namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;

// operator/render/names.h: `<pipeline>-levada` beside `<pipeline>-<stage>`.
constexpr std::string_view kReservedStage = "levada";

// Tells of the second and every later use of a name.
class Names {
 public:
  Names(const CheckContext& context, std::string what) : context_(context), what_(what) {}

  void Add(const std::string& name, const std::string& path) {
    if (name.empty() || seen_.insert(name).second) return;
    context_.Error(path, base::StrCat("a second ", what_, " ", Quote(name)));
  }

 private:
  const CheckContext& context_;
  std::string what_;
  std::set<std::string> seen_;
};

void CheckStepNames(const CheckContext& context, const v1::Step& step, const std::string& path) {
  Names set(context, "value for the field");
  for (int i = 0; i < step.set_size(); ++i) {
    set.Add(step.set(i).name(), Join(Join(path, "set"), i) + ".name");
  }
  Names drop(context, "mention of the field");
  for (int i = 0; i < step.drop_size(); ++i) drop.Add(step.drop(i), Join(Join(path, "drop"), i));
  Names select(context, "mention of the field");
  for (int i = 0; i < step.select_size(); ++i) {
    select.Add(step.select(i), Join(Join(path, "select"), i));
  }
  Names rules(context, "rule");
  for (int i = 0; i < step.rules().rules_size(); ++i) {
    rules.Add(step.rules().rules(i).name(), Join(path + ".rules.rules", i) + ".name");
  }
}

void CheckScoringNames(const CheckContext& context, const v1::Scoring& scoring,
                       const std::string& path) {
  Names outputs(context, "output to the topic");
  for (int i = 0; i < scoring.outputs_size(); ++i) {
    outputs.Add(scoring.outputs(i).to(), Join(path + ".outputs", i) + ".to");
  }
  for (int i = 0; i < scoring.steps_size(); ++i) {
    CheckStepNames(context, scoring.steps(i), Join(path + ".steps", i));
  }
}

std::string_view KindOf(const v1::Connection& connection) {
  if (connection.has_kafka()) return "kafka";
  if (connection.has_opensearch()) return "opensearch";
  if (connection.has_smtp()) return "smtp";
  if (connection.has_webhook()) return "webhook";
  return connection.has_s3() ? "s3" : "";
}

void CheckConnectionName(const CheckContext& context, const std::string& path,
                         const std::string& kind, const std::string& name) {
  const auto& connections = context.pipeline.spec().connections();
  const auto it = connections.find(name);
  if (it != connections.end()) {
    const std::string_view is = KindOf(it->second);
    if (is.empty() || kind.empty() || is == kind) return;
    return context.Error(path, base::StrCat("expected a connection of the kind `", kind, "`; ",
                                            Quote(name), " is of the kind `", is, "`"));
  }
  std::vector<std::string> names;
  for (const auto& [other, connection] : connections) {
    if (KindOf(connection) == kind) names.push_back(other);
  }
  std::sort(names.begin(), names.end());
  const std::string otherwise = names.empty() ? base::StrCat("there is no connection of the kind `",
                                                             kind, "` in `spec.connections`")
                                              : "there is " + OneOf(names);
  context.Error(path, base::StrCat("no connection ", Quote(name)),
                NearestHint(name, names, otherwise));
}

}  // namespace

void CheckUnique(const CheckContext& context) {
  const v1::PipelineSpec& spec = context.pipeline.spec();
  Names topics(context, "topic");
  for (int i = 0; i < spec.topics_size(); ++i) {
    topics.Add(spec.topics(i).name(), TopicPath(i) + ".name");
    Names fields(context, "field");
    for (int j = 0; j < spec.topics(i).fields_size(); ++j) {
      fields.Add(spec.topics(i).fields(j).name(), Join(TopicPath(i) + ".fields", j) + ".name");
    }
  }
  Names stages(context, "stage");
  for (int i = 0; i < spec.stages_size(); ++i) {
    stages.Add(spec.stages(i).name(), StagePath(i) + ".name");
    if (spec.stages(i).name() == kReservedStage) {
      context.Error(StagePath(i) + ".name",
                    base::StrCat("a stage cannot be named `", kReservedStage, "`"),
                    "on a cluster that is the name of what a pipeline has once");
    }
    CheckScoringNames(context, spec.stages(i).scoring(), StagePath(i) + ".scoring");
  }
}

void CheckReferences(const CheckContext& context) {
  const std::vector<std::string> topics = TopicNames(context.pipeline);
  const std::string dead_letters = DeadLetterTopic(context.pipeline);
  VisitTexts(context.pipeline, "",
             [&](const std::string& path, const FieldDescriptor& field, const std::string& text) {
               const v1::FieldRules& rules = RulesOf(field);
               if (text.empty() || context.source.Broken(path)) return;
               if (rules.format() == v1::CONNECTION) {
                 CheckConnectionName(context, path, rules.connection_kind(), text);
               } else if (rules.format() == v1::TOPIC && text == dead_letters) {
                 context.Error(
                     path, "this is the pipeline's own dead-letter topic",
                     "a stage that read it would feed itself its own failures; read it from "
                     "another pipeline");
               } else if (rules.format() == v1::TOPIC && context.Topic(text) == nullptr) {
                 context.Error(path, base::StrCat("no topic ", Quote(text)),
                               NearestHint(text, topics, "declare it in `spec.topics`"));
               }
             });
}

namespace {

// Depth-first search along the topics; each circle is told once, at its first stage.
class CycleSearch {
 public:
  explicit CycleSearch(const CheckContext& context) : context_(context) {
    for (const v1::Stage& stage : context.pipeline.spec().stages()) {
      const std::string input(InputTopic(stage));
      if (!input.empty()) readers_[input].push_back(static_cast<int>(outputs_.size()));
      outputs_.push_back(input.empty() ? std::vector<std::string>() : OutputTopics(stage));
    }
    state_.resize(outputs_.size(), State::kNew);
  }

  void Run() {
    for (size_t i = 0; i < outputs_.size(); ++i) Visit(static_cast<int>(i));
  }

 private:
  enum class State { kNew, kOpen, kDone };

  void Visit(int stage) {
    if (state_[stage] == State::kOpen) return Tell(stage);
    if (state_[stage] == State::kDone) return;
    state_[stage] = State::kOpen;
    way_.push_back(stage);
    for (const std::string& topic : outputs_[stage]) {
      for (const int reader : readers_[topic]) Visit(reader);
    }
    way_.pop_back();
    state_[stage] = State::kDone;
  }

  void Tell(int stage) {
    const auto first = std::find(way_.begin(), way_.end(), stage);
    std::string circle;
    for (auto it = first; it != way_.end(); ++it) base::StrAppend(&circle, Name(*it), " → ");
    const int earliest = *std::min_element(first, way_.end());
    context_.Error(StagePath(earliest),
                   base::StrCat("stages feed each other in a circle: ", circle, Name(stage)));
  }

  const std::string& Name(int stage) const { return context_.pipeline.spec().stages(stage).name(); }

  const CheckContext& context_;
  std::vector<std::vector<std::string>> outputs_;
  std::map<std::string, std::vector<int>> readers_;
  std::vector<State> state_;
  std::vector<int> way_;
};

}  // namespace

void CheckCycles(const CheckContext& context) { CycleSearch(context).Run(); }

}  // namespace levada::pipeline
