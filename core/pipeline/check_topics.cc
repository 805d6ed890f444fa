#include <map>
#include <set>

#include "absl/strings/str_replace.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/expand.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/visit.h"

namespace levada::pipeline {
namespace {

using google::protobuf::FieldDescriptor;

const v1::Field* FindField(const v1::Topic& topic, const std::string& name) {
  for (const v1::Field& field : topic.fields()) {
    if (field.name() == name) return &field;
  }
  return nullptr;
}

// The field that a topic names as its key or its time, where it declares its fields.
const v1::Field* DeclaredField(const CheckContext& context, const v1::Topic& topic,
                               const std::string& path, const std::string& name) {
  if (name.empty() || topic.fields_size() == 0) return nullptr;
  const v1::Field* field = FindField(topic, name);
  if (field == nullptr) {
    context.Error(path, base::StrCat("no field ", Quote(name), " among the topic's `fields`"),
                  NearestHint(name, FieldNames(topic)));
  }
  return field;
}

void CheckFields(const CheckContext& context, const v1::Topic& topic, const std::string& path) {
  const v1::Field* key = DeclaredField(context, topic, path + ".key", topic.key());
  if (key != nullptr &&
      (key->type() == v1::FIELD_TYPE_LIST || key->type() == v1::FIELD_TYPE_STRUCT)) {
    context.Error(path + ".key", "a list or struct cannot be a key");
  }
  const v1::Field* time = DeclaredField(context, topic, path + ".timestamp", topic.timestamp());
  if (time != nullptr && time->type() != v1::FIELD_TYPE_TIMESTAMP &&
      time->type() != v1::FIELD_TYPE_DATE && time->type() != v1::FIELD_TYPE_UNSPECIFIED) {
    context.Error(path + ".timestamp",
                  base::StrCat("expected a field of the type `timestamp` or `date`; ",
                               Quote(topic.timestamp()), " is declared otherwise"));
  }
  if (topic.closed() && topic.fields_size() == 0 && !context.source.Broken(path + ".fields")) {
    context.Error(path + ".closed", "a closed topic without `fields` could hold no event at all",
                  "declare its fields, or leave `closed` out");
  }
}

void CheckCompaction(const CheckContext& context, const v1::Topic& topic, const std::string& path,
                     bool written) {
  if (!topic.compacted()) return;
  const auto retention = base::ParseDuration(topic.retention());
  if (retention.ok() && retention->count() > 0) {
    context.Error(path + ".retention", "a compacted topic keeps the newest record a key for ever",
                  "leave out `retention` or `compacted`");
  }
  if (written && topic.key().empty()) {
    context.Error(path, "a compacted topic that a stage writes needs a `key`",
                  "Kafka refuses records without a key there");
  }
}

// Names that Kafka counts as one in its metrics, and so refuses to have both of: `.` and `_` are
// the same there. And names of topics that the pipeline makes itself.
void CheckCollisions(const CheckContext& context) {
  const v1::Pipeline& pipeline = context.pipeline;
  std::map<std::string, std::string> own;
  own[DeadLetterTopic(pipeline)] = "dead-letter topic";
  for (const v1::Stage& stage : pipeline.spec().stages()) {
    if (stage.has_notify()) own[SentTopic(pipeline, stage.name())] = "log of what was sent";
    if (KeepsState(stage.scoring())) {
      own[ChangelogTopic(pipeline, stage.name())] = "changelog";
    }
    if (stage.ingest().has_file()) {
      own[PositionsTopic(pipeline, stage.name())] = "topic of file positions";
    }
  }
  const auto in_metrics = [](const std::string& name) {
    return absl::StrReplaceAll(name, {{".", "_"}});
  };
  std::map<std::string, std::string> seen;
  for (const auto& [name, what] : own) seen.emplace(in_metrics(name), name);
  for (int i = 0; i < pipeline.spec().topics_size(); ++i) {
    const std::string& name = pipeline.spec().topics(i).name();
    const std::string path = TopicPath(i) + ".name";
    if (name.empty()) continue;
    if (const auto it = own.find(name); it != own.end()) {
      context.Error(path,
                    base::StrCat(Quote(name), " is the name of the pipeline's own ", it->second));
    }
    const auto [it, fresh] = seen.emplace(in_metrics(name), name);
    if (!fresh && it->second != name) {
      context.Error(path, base::StrCat("Kafka cannot have both ", Quote(it->second), " and ",
                                       Quote(name), ": it takes `.` and `_` for the same"));
    }
  }
}

}  // namespace

void CheckTopics(const CheckContext& context) {
  std::set<std::string> read;
  std::set<std::string> written;
  for (const v1::Stage& stage : context.pipeline.spec().stages()) {
    read.insert(std::string(InputTopic(stage)));
    for (const v1::Step& step : stage.scoring().steps()) read.insert(step.join().table());
    for (std::string& topic : OutputTopics(stage)) written.insert(std::move(topic));
  }
  for (int i = 0; i < context.pipeline.spec().topics_size(); ++i) {
    const v1::Topic& topic = context.pipeline.spec().topics(i);
    const std::string path = TopicPath(i);
    CheckFields(context, topic, path);
    CheckCompaction(context, topic, path, written.contains(topic.name()));
    const bool used = read.contains(topic.name()) || written.contains(topic.name());
    if (!used && !topic.name().empty()) {
      context.Warn(path, base::StrCat("no stage reads or writes the topic ", Quote(topic.name())));
    }
  }
  CheckCollisions(context);
}

void CheckConnections(const CheckContext& context) {
  std::set<std::string> used;
  VisitTexts(context.pipeline, "",
             [&](const std::string&, const FieldDescriptor& field, const std::string& text) {
               if (RulesOf(field).format() == v1::CONNECTION) used.insert(text);
             });
  for (const auto& [name, connection] : context.pipeline.spec().connections()) {
    const std::string path = Join("spec.connections", name);
    if (connection.has_kafka()) {
      if (name != "kafka") {
        context.Error(path, base::StrCat("nothing reads a Kafka connection named ", Quote(name)),
                      "the one that carries the pipeline's topics is named `kafka`");
      }
      if (connection.kafka().sasl() != v1::SASL_MECHANISM_UNSPECIFIED &&
          connection.kafka().secret_ref().empty()) {
        context.Error(path + ".kafka.sasl", "SASL needs a user: there is no `secretRef`");
      }
      continue;
    }
    const v1::SmtpConnection& smtp = connection.smtp();
    if (!smtp.secret_ref().empty() && smtp.tls().has_enabled() && !smtp.tls().enabled()) {
      context.Error(path + ".smtp.tls.enabled", "a password is never sent without TLS",
                    "leave out `secretRef` for a server that takes mail from anyone");
    }
    if (!used.contains(name)) {
      context.Warn(path, base::StrCat("no stage uses the connection ", Quote(name)));
    }
  }
}

}  // namespace levada::pipeline
