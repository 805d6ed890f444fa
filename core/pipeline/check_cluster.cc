#include <array>
#include <set>

#include "core/base/strings.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/visit.h"

namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;

void CheckReplicas(const CheckContext& context, const v1::Stage& stage, const std::string& path) {
  const v1::Ingest& ingest = stage.ingest();
  if (stage.replicas() > 1 && (ingest.has_file() || ingest.has_schedule())) {
    const std::string_view source = ingest.has_file() ? "file" : "schedule";
    context.Error(path + ".replicas",
                  base::StrCat("a stage with `", source, "` has one worker: several would each ",
                               ingest.has_file() ? "read the whole file" : "make all events"));
  }
  const v1::Topic* topic = context.Topic(InputTopic(stage));
  if (topic == nullptr) return;
  const uint32_t partitions = topic->partitions() == 0 ? 1 : topic->partitions();
  if (stage.replicas() > partitions) {
    context.Warn(path + ".replicas",
                 base::StrCat("the topic ", Quote(topic->name()), " has ", partitions,
                              partitions == 1 ? " partition" : " partitions",
                              ": more workers than that have nothing to do"));
  }
}

void CheckAutoscaling(const CheckContext& context, const v1::Stage& stage,
                      const std::string& path) {
  if (!stage.has_autoscaling()) return;
  if (stage.has_ingest()) {
    context.Error(path, "an ingest stage reads no topic: there is no lag to scale on",
                  "leave out `replicas` too, and point a HorizontalPodAutoscaler at the stage's "
                  "Deployment");
    return;
  }
  const v1::Autoscaling& scaling = stage.autoscaling();
  const uint32_t least = scaling.has_min_replicas() ? scaling.min_replicas() : 1;
  if (scaling.max_replicas() > 0 && least > scaling.max_replicas()) {
    context.Error(path + ".minReplicas", base::StrCat("expected at most `maxReplicas`, ",
                                                      scaling.max_replicas(), ", got ", least));
  }
}

void CheckVolume(const CheckContext& context, const v1::Stage& stage, const std::string& path) {
  const v1::Volume& volume = stage.pod().volume();
  const std::string at = path + ".pod.volume";
  if (!stage.has_archiving()) {
    if (stage.pod().has_volume()) {
      context.Error(at, "only an archiving stage writes to a volume");
    }
    return;
  }
  if (!volume.claim().empty()) {
    for (const std::string_view key : {"size", "storageClassName", "accessMode"}) {
      if (!context.source.Has(Join(at, key))) continue;
      context.Error(Join(at, key), base::StrCat("`", key, "` beside `claim`"),
                    "a claim that is there already has these of its own");
    }
    return;
  }
  const bool several =
      stage.has_autoscaling() ? stage.autoscaling().max_replicas() != 1 : stage.replicas() > 1;
  if (several && volume.access_mode() != v1::ACCESS_MODE_READ_WRITE_MANY) {
    context.Error(path + (stage.has_autoscaling() ? ".autoscaling" : ".replicas"),
                  "several workers write to one volume, which only one node can mount",
                  "give `pod.volume` the `accessMode: ReadWriteMany`");
  }
}

void CheckOwnKeys(const CheckContext& context, const std::string& path,
                  const google::protobuf::Map<std::string, std::string>& map) {
  for (const auto& [key, value] : map) {
    if (!key.starts_with("levada.dev/") && !key.starts_with("app.kubernetes.io/")) continue;
    context.Error(Join(path, key), base::StrCat(Quote(key), " is set by the operator"));
  }
}

void CheckPod(const CheckContext& context, const v1::PodSettings& pod, const std::string& path) {
  CheckOwnKeys(context, path + ".labels", pod.labels());
  CheckOwnKeys(context, path + ".annotations", pod.annotations());
  for (int i = 0; i < pod.tolerations_size(); ++i) {
    const v1::Toleration& toleration = pod.tolerations(i);
    const std::string at = Join(path + ".tolerations", i);
    const bool exists = toleration.operator_() == v1::TOLERATION_OPERATOR_EXISTS;
    if (exists && !toleration.value().empty()) {
      context.Error(at + ".value", "with `operator: Exists` a value means nothing");
    } else if (!exists && toleration.key().empty()) {
      context.Error(at, "without a `key`, `operator: Exists` is needed");
    }
  }
  std::set<std::string> names;
  for (int i = 0; i < pod.env_size(); ++i) {
    if (pod.env(i).name().empty() || names.insert(pod.env(i).name()).second) continue;
    context.Error(Join(path + ".env", i) + ".name",
                  base::StrCat("a second variable ", Quote(pod.env(i).name())));
  }
}

// Settings that the manifest has a key of its own for.
void CheckTopicConfig(const CheckContext& context, const v1::Topic& topic,
                      const std::string& path) {
  static constexpr std::array<std::array<std::string_view, 2>, 3> kOwn = {
      {{"retention.ms", "write `retention`"},
       {"cleanup.policy", "write `compacted`"},
       {"max.message.bytes", "it follows from `maxEventSize` of the ingest stages"}}};
  for (const auto& [key, hint] : kOwn) {
    if (!topic.config().contains(std::string(key))) continue;
    context.Error(Join(path + ".config", key), base::StrCat(Quote(key), " has its own place"),
                  std::string(hint));
  }
  std::set<std::string> seen;
  for (int i = 0; i < topic.unmanaged_size(); ++i) {
    if (seen.insert(topic.unmanaged(i)).second) continue;
    context.Error(Join(path + ".unmanaged", i),
                  base::StrCat("a second mention of ", Quote(topic.unmanaged(i))));
  }
}

// Certificates for these are needed before anything can be fetched, or by the operator too.
void CheckCertificates(const CheckContext& context, const std::set<std::string>& fetched) {
  for (const auto& [name, connection] : context.pipeline.spec().connections()) {
    const std::string& file = connection.has_kafka() ? connection.kafka().tls().ca_file()
                                                     : connection.s3().tls().ca_file();
    if (!fetched.contains(file)) continue;
    context.Error(base::StrCat(Join("spec.connections", name),
                               connection.has_kafka() ? ".kafka.tls.caFile" : ".s3.tls.caFile"),
                  base::StrCat("the file ", Quote(file), " cannot come from a bucket"),
                  connection.has_kafka() ? "the operator reads it too: take a ConfigMap"
                                         : "it is needed to reach buckets: take a ConfigMap");
  }
}

void CheckFiles(const CheckContext& context) {
  std::set<std::string> named;
  VisitTexts(context.pipeline, "",
             [&](const std::string& path, const FieldDescriptor& field, const std::string& text) {
               const bool here = path.starts_with("spec.files[");
               if (RulesOf(field).format() == v1::FILE && !here) named.insert(text);
             });
  std::set<std::string> seen;
  std::set<std::string> fetched;
  for (int i = 0; i < context.pipeline.spec().files_size(); ++i) {
    const v1::MountedFile& mounted = context.pipeline.spec().files(i);
    const std::string& file = mounted.path();
    const std::string path = Join("spec.files", i) + ".path";
    if (mounted.has_s3() && !mounted.key().empty()) {
      context.Error(Join("spec.files", i) + ".key", "an object in a bucket is named by `s3.key`");
    }
    if (file.empty()) continue;
    if (mounted.has_s3()) fetched.insert(file);
    if (!seen.insert(file).second) {
      context.Error(path, base::StrCat("a second source of the file ", Quote(file)));
    } else if (!named.contains(file)) {
      context.Warn(path, base::StrCat("no stage or connection names the file ", Quote(file)),
                   NearestHint(file, {named.begin(), named.end()}));
    }
  }
  CheckCertificates(context, fetched);
}

}  // namespace

void CheckCluster(const CheckContext& context) {
  const v1::PipelineSpec& spec = context.pipeline.spec();
  for (int i = 0; i < spec.topics_size(); ++i) {
    CheckTopicConfig(context, spec.topics(i), TopicPath(i));
  }
  for (int i = 0; i < spec.stages_size(); ++i) {
    const std::string path = StagePath(i);
    CheckReplicas(context, spec.stages(i), path);
    CheckAutoscaling(context, spec.stages(i), path + ".autoscaling");
    CheckVolume(context, spec.stages(i), path);
    CheckPod(context, spec.stages(i).pod(), path + ".pod");
  }
  CheckFiles(context);
}

}  // namespace levada::pipeline
