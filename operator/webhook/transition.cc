#include "operator/webhook/transition.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/base/strings.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/rules.h"
#include "operator/controller/check.h"
#include "operator/topics/decide.h"

namespace levada::webhook {
namespace {

using pipeline::PlannedTopic;
using pipeline::Severity;

// A quantity of Kubernetes, as core/pipeline has checked it. Those with one unit compare exactly.
double NumberOf(const std::string& quantity) {
  static constexpr std::array<std::pair<std::string_view, double>, 14> kUnits = {{{"", 1},
                                                                                  {"n", 1e-9},
                                                                                  {"u", 1e-6},
                                                                                  {"m", 1e-3},
                                                                                  {"k", 1e3},
                                                                                  {"M", 1e6},
                                                                                  {"G", 1e9},
                                                                                  {"T", 1e12},
                                                                                  {"P", 1e15},
                                                                                  {"Ki", 0x1p10},
                                                                                  {"Mi", 0x1p20},
                                                                                  {"Gi", 0x1p30},
                                                                                  {"Ti", 0x1p40},
                                                                                  {"Pi", 0x1p50}}};
  char* unit = nullptr;
  const double number = std::strtod(quantity.c_str(), &unit);
  const auto found = std::find_if(kUnits.begin(), kUnits.end(),
                                  [&](const auto& each) { return each.first == unit; });
  return found == kUnits.end() ? 0 : number * found->second;
}

class Change {
 public:
  Change(const pipeline::Plan& before, const pipeline::Plan& after,
         std::map<std::string, int> accepted)
      : before_(before), after_(after), accepted_(std::move(accepted)) {}

  pipeline::Problems Run() {
    for (const PlannedTopic& topic : after_.topics) {
      if (const PlannedTopic* old = FindTopic(before_, topic.name)) CompareTopics(*old, topic);
    }
    for (const PlannedTopic& topic : before_.topics) {
      if (FindTopic(after_, topic.name) == nullptr) Removed(topic);
    }
    const v1::PipelineSpec& spec = after_.pipeline.spec();
    for (int i = 0; i < spec.stages_size(); ++i) {
      const v1::Stage& stage = spec.stages(i);
      const v1::Stage* old = pipeline::FindStage(before_.pipeline, stage.name());
      if (old == nullptr || !old->has_archiving() || !stage.has_archiving()) continue;
      CompareVolumes(VolumeOf(*old), VolumeOf(stage),
                     base::StrCat("spec.stages[", i, "].pod.volume"));
    }
    return std::move(problems_);
  }

 private:
  static const PlannedTopic* FindTopic(const pipeline::Plan& plan, const std::string& name) {
    const auto found = std::find_if(plan.topics.begin(), plan.topics.end(),
                                    [&](const PlannedTopic& each) { return each.name == name; });
    return found == plan.topics.end() ? nullptr : &*found;
  }

  void Add(Severity severity, std::string path, std::string message, std::string hint = "") {
    problems_.Add({.severity = severity,
                   .path = std::move(path),
                   .message = std::move(message),
                   .hint = std::move(hint)});
  }

  // Of what the manifest says of the topic; of the pipeline's own logs it says nothing.
  std::string PathOf(const PlannedTopic& topic) const {
    if (topic.role == PlannedTopic::Role::kDeadLetters) return "spec.deadLetters.partitions";
    const auto& topics = after_.pipeline.spec().topics();
    for (int i = 0; i < topics.size(); ++i) {
      if (topics[i].name() == topic.name) return base::StrCat("spec.topics[", i, "].partitions");
    }
    return "spec";
  }

  void CompareTopics(const PlannedTopic& old, const PlannedTopic& topic) {
    if (topic.partitions < old.partitions) {
      return Add(Severity::kError, PathOf(topic),
                 base::StrCat("the topic `", topic.name, "` has ", old.partitions,
                              " partitions and cannot lose any; wanted are ", topic.partitions),
                 "leave them, or make a topic of another name");
    }
    if (topic.partitions == old.partitions) return;
    const std::string reason = topics::KeysStay(after_, topic);
    const auto accepted = accepted_.find(topic.name);
    if (reason.empty() || (accepted != accepted_.end() && accepted->second == topic.partitions)) {
      return;
    }
    Add(Severity::kWarning, PathOf(topic),
        base::StrCat("stays at ", old.partitions, " partitions unless annotated ",
                     topics::kAcceptRepartition, ": ", topic.name, "=", topic.partitions, "; ",
                     reason));
  }

  void Removed(const PlannedTopic& topic) {
    if (topic.role != PlannedTopic::Role::kDeclared) return;
    Add(Severity::kWarning, "spec.topics",
        base::StrCat("`", topic.name, "` is no longer declared; it is kept with its data"));
  }

  static v1::Volume VolumeOf(const v1::Stage& stage) {
    v1::Volume volume = stage.pod().volume();
    pipeline::FillDefaults(&volume);
    return volume;
  }

  void CompareVolumes(const v1::Volume& old, const v1::Volume& volume, const std::string& path) {
    if (!old.claim().empty() || !volume.claim().empty()) return;
    if (NumberOf(volume.size()) < NumberOf(old.size())) {
      Add(Severity::kError, path + ".size",
          base::StrCat("a volume cannot shrink: it has ", old.size(), ", wanted are ",
                       volume.size()));
    }
    if (volume.storage_class_name() != old.storage_class_name()) {
      Add(Severity::kError, path + ".storageClassName",
          "the storage class of a volume cannot change");
    }
    if (volume.access_mode() != old.access_mode()) {
      Add(Severity::kError, path + ".accessMode", "the access mode of a volume cannot change");
    }
  }

  const pipeline::Plan& before_;
  const pipeline::Plan& after_;
  const std::map<std::string, int> accepted_;
  pipeline::Problems problems_;
};

}  // namespace

pipeline::Problems ProblemsOfChange(const kube::Json& before, const kube::Json& after,
                                    const v1::Pipeline& manifest) {
  v1::Pipeline old;
  if (controller::ProblemsOf(before, &old).HasErrors()) return {};
  const pipeline::Plan before_plan = pipeline::Compile(old);
  const pipeline::Plan after_plan = pipeline::Compile(manifest);
  return Change(before_plan, after_plan,
                topics::ParseAccepted(kube::AnnotationOf(after, topics::kAcceptRepartition)))
      .Run();
}

}  // namespace levada::webhook
