#include "core/pipeline/expand.h"

#include <algorithm>
#include <cctype>
#include <set>

#include "absl/strings/ascii.h"
#include "core/base/strings.h"
#include "core/expr/program.h"
#include "core/pipeline/digest.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/schema.h"

namespace levada::pipeline {
namespace {

using Keys = std::set<std::string>;  // expressions

constexpr size_t kMaxName = 63;

Keys KeysOf(const google::protobuf::RepeatedPtrField<std::string>& by) {
  return {by.begin(), by.end()};
}

// What a step with state tells events apart by.
Keys KeysOf(const v1::Step& step) {
  if (step.has_dedup()) return KeysOf(step.dedup().by());
  if (step.has_features()) return KeysOf(step.features().by());
  if (step.has_anomaly()) return KeysOf(step.anomaly().by());
  return KeysOf(step.window().by());
}

// `card_id` → "card-id".
std::string Slug(const Keys& keys) {
  std::string slug;
  for (const std::string& key : keys) {
    for (const char c : key) {
      if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
        slug.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
      } else if (!slug.empty() && slug.back() != '-') {
        slug.push_back('-');
      }
    }
    if (!slug.empty() && slug.back() != '-') slug.push_back('-');
  }
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  return slug.empty() ? "all" : slug;
}

// The field with the time of a window's results, by which a longer window takes them up.
std::string ResultTime(const v1::Window& window) {
  if (window.has_session()) return window.end_as().empty() ? "window_end" : window.end_as();
  return window.start_as().empty() ? "window_start" : window.start_as();
}

class StageExpander {
 public:
  StageExpander(const v1::Pipeline& pipeline, const v1::Stage& stage, Expanded* out)
      : pipeline_(pipeline), stage_(stage), out_(out) {}

  void Run() {
    const v1::Scoring& scoring = stage_.scoring();
    const v1::Topic* from = FindTopic(pipeline_, scoring.from());
    Begin(from == nullptr ? v1::Topic() : *from);
    if (from == nullptr) topic_.set_name(scoring.from());
    part_ = stage_;
    part_.mutable_scoring()->clear_steps();
    for (const v1::Step& step : scoring.steps()) {
      if (KeepsState(step) && !AtHome(step)) Split(KeysOf(step));
      if (step.has_window()) {
        time_ = ResultTime(step.window());
      }
      DeclareStep(step, &env_);
      Overwritten(step);
      *part_.mutable_scoring()->add_steps() = step;
    }
    *out_->pipeline.mutable_spec()->add_stages() = part_;
  }

 private:
  void Begin(const v1::Topic& topic) {
    topic_ = topic;
    env_ = EnvOf(&topic_);
    time_ = topic.timestamp();
    partitioned_by_ = {};
    known_ = !topic.key().empty() || std::max(topic.partitions(), 1u) == 1;
    if (std::max(topic.partitions(), 1u) > 1 && !topic.key().empty()) {
      partitioned_by_ = {topic.key()};
    }
  }

  bool AtHome(const v1::Step& step) const {
    const Keys keys = KeysOf(step);
    // A detector for the partition takes it as it is.
    if (step.has_anomaly() && keys.empty()) return true;
    return known_ &&
           std::includes(keys.begin(), keys.end(), partitioned_by_.begin(), partitioned_by_.end());
  }

  // A field that records are partitioned by has another value from here on.
  void Overwritten(const v1::Step& step) {
    for (const v1::Assignment& set : step.set()) {
      if (partitioned_by_.contains(set.name())) known_ = false;
    }
  }

  void Split(const Keys& keys) {
    const std::string name = PartName(keys);
    v1::Topic topic;
    topic.set_name(RepartitionTopic(pipeline_, name));
    // One window for all events is in one place.
    if (!keys.empty()) topic.set_partitions(std::max(topic_.partitions(), 1u));
    if (topic_.replication() > 0) topic.set_replication(topic_.replication());
    topic.set_retention(topic_.retention());
    const KnownFields fields = FieldsAt(env_, &topic_);
    for (const KnownFields::Field& field : fields.fields) {
      v1::Field* const copy = topic.add_fields();
      copy->set_name(field.name);
      copy->set_type(ToFieldType(field.type));
      for (const v1::Field& declared : topic_.fields()) {
        if (field.declared && declared.name() == field.name) copy->set_type(declared.type());
      }
      if (copy->type() == v1::FIELD_TYPE_UNSPECIFIED) topic.mutable_fields()->RemoveLast();
      if (field.name == time_) topic.set_timestamp(time_);
    }
    v1::Scoring& before = *part_.mutable_scoring();
    before.clear_to();
    before.clear_outputs();
    before.clear_took_as();
    v1::Output* const output = before.add_outputs();
    output->set_to(topic.name());
    for (const std::string& key : keys) output->add_key_by(key);
    if (keys.empty()) output->add_key_by("\"\"");
    *out_->pipeline.mutable_spec()->add_stages() = part_;
    *out_->pipeline.mutable_spec()->add_topics() = topic;
    out_->repartition_topics.push_back(topic.name());
    out_->part_of[name] = stage_.name();

    part_ = stage_;
    part_.set_name(name);
    part_.mutable_scoring()->clear_steps();
    part_.mutable_scoring()->set_from(topic.name());
    Begin(topic);
    known_ = true;
    if (topic.partitions() > 1) partitioned_by_ = keys;
  }

  std::string PartName(const Keys& keys) const {
    const std::string whole = base::StrCat(stage_.name(), "-by-", Slug(keys));
    std::string name = whole;
    for (int number = 2; name.size() > kMaxName || out_->part_of.contains(name); ++number) {
      const std::string end = base::StrCat("-", ShortHash(base::StrCat(whole, " ", number)));
      name = base::StrCat(whole.substr(0, kMaxName - end.size()), end);
    }
    return name;
  }

  const v1::Pipeline& pipeline_;
  const v1::Stage& stage_;
  Expanded* out_;
  v1::Stage part_;
  v1::Topic topic_;  // that the part reads
  expr::Env env_;
  std::string time_;     // field with the event's time, where there is one
  Keys partitioned_by_;  // of the records; none: they are all in one partition
  bool known_ = false;   // what they are partitioned by
};

}  // namespace

std::string_view StepKind(const v1::Step& step) {
  if (step.has_filter()) return "filter";
  if (step.set_size() > 0) return "set";
  if (step.drop_size() > 0) return "drop";
  if (step.select_size() > 0) return "select";
  if (step.has_model()) return "model";
  if (step.has_rules()) return "rules";
  if (step.has_join()) return "join";
  if (step.has_lookup()) return "lookup";
  if (step.has_dedup()) return "dedup";
  if (step.has_explode()) return "explode";
  if (step.has_features()) return "features";
  if (step.has_window()) return "window";
  return step.has_anomaly() ? "anomaly" : "";
}

bool KeepsState(const v1::Step& step) {
  return step.has_dedup() || step.has_features() || step.has_window() || step.has_anomaly();
}

bool KeepsState(const v1::Scoring& scoring) {
  return std::any_of(scoring.steps().begin(), scoring.steps().end(),
                     [](const v1::Step& step) { return KeepsState(step); });
}

bool KeepsTime(const v1::Scoring& scoring, const v1::Topic* from, const v1::Topic* to) {
  std::string time = from == nullptr ? "" : from->timestamp();
  const std::string end = to == nullptr ? "" : to->timestamp();
  bool kept = true;
  for (const v1::Step& step : scoring.steps()) {
    if (step.has_window()) {
      time = ResultTime(step.window());
      kept = true;
    }
    for (const v1::Assignment& set : step.set()) kept = kept && set.name() != time;
  }
  return kept && time == end;
}

Expanded Expand(const v1::Pipeline& pipeline) {
  Expanded expanded;
  expanded.pipeline = pipeline;
  expanded.pipeline.mutable_spec()->clear_stages();
  for (const v1::Stage& stage : pipeline.spec().stages()) {
    if (stage.has_scoring() && KeepsState(stage.scoring())) {
      StageExpander(pipeline, stage, &expanded).Run();
    } else {
      *expanded.pipeline.mutable_spec()->add_stages() = stage;
    }
  }
  return expanded;
}

}  // namespace levada::pipeline
