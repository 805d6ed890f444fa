#include <map>

#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/pipeline/check_context.h"
#include "core/pipeline/expand.h"
#include "core/pipeline/format.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/state_disk.h"

namespace levada::pipeline {
namespace {

uint32_t PortOr(uint32_t port, uint32_t otherwise) { return port == 0 ? otherwise : port; }

// The default of a port as the schema has it.
template <typename Message>
uint32_t DefaultPort(std::string_view key) {
  return static_cast<uint32_t>(
      std::stoul(RulesOf(*FindKey(*Message::descriptor(), key)).default_value()));
}

void CheckIngest(const CheckContext& context, const v1::Ingest& ingest, const std::string& path) {
  const bool network = ingest.has_http() || ingest.has_grpc();
  const auto alone = [&](bool has, std::string_view key, std::string_view other) {
    if (!has) return;
    context.Error(Join(path, key), base::StrCat("`", key, "` beside `", other, "`"),
                  "only `http` and `grpc` may stand together: make it a stage of its own");
  };
  const std::string_view listener = ingest.has_http() ? "http" : "grpc";
  if (network) {
    alone(ingest.has_file(), "file", listener);
    alone(ingest.has_schedule(), "schedule", listener);
  } else if (ingest.has_file()) {
    alone(ingest.has_schedule(), "schedule", "file");
  }
  const uint32_t http = PortOr(ingest.http().port(), DefaultPort<v1::HttpSource>("port"));
  const uint32_t grpc = PortOr(ingest.grpc().port(), DefaultPort<v1::GrpcSource>("port"));
  if (ingest.has_http() && ingest.has_grpc() && http == grpc) {
    context.Error(path + ".grpc.port", base::StrCat("`http` has the port ", http, " already"));
  }
}

void CheckServe(const CheckContext& context, const v1::Scoring& scoring, const std::string& path) {
  if (!scoring.has_serve()) return;
  const uint32_t rest = PortOr(scoring.serve().port(), DefaultPort<v1::Serve>("port"));
  const uint32_t grpc = PortOr(scoring.serve().grpc_port(), DefaultPort<v1::Serve>("grpcPort"));
  if (rest == grpc) {
    context.Error(path + ".serve.grpcPort",
                  base::StrCat("the REST endpoint has the port ", rest, " already"));
  }
  for (int i = 0; i < scoring.steps_size(); ++i) {
    if (!scoring.steps(i).has_window()) continue;
    context.Error(path + ".serve", "a stage with a window gives no answer to a single event",
                  "score in one stage and gather in windows in another");
  }
}

// A snapshot is written beside the one that it replaces.
void CheckState(const CheckContext& context, const v1::State& state, const std::string& path) {
  const int64_t memory = StateMemoryBytes(state);
  if (StateDiskBytes(state) / 2 >= memory) return;
  context.Error(
      path + ".disk",
      base::StrCat(Quote(state.disk()), " is not twice the memory, ", base::FormatBytes(memory),
                   ": snapshots of it and what it has no room for would not fit"),
      "give it more, or leave it out for four times `memory`");
}

// Stages whose steps tell events apart by something else than the topic's key come to several
// (expand.h).
void CheckParts(const CheckContext& context) {
  const Expanded expanded = Expand(context.pipeline);
  for (int i = 0; i < context.pipeline.spec().stages_size(); ++i) {
    const v1::Stage& stage = context.pipeline.spec().stages(i);
    for (const auto& [part, name] : expanded.part_of) {
      if (name != stage.name()) continue;
      if (FindStage(context.pipeline, part) != nullptr) {
        context.Error(StagePath(i) + ".name",
                      base::StrCat("a part of it will be named ", Quote(part),
                                   ", and there is a stage of that name"));
      }
      if (stage.scoring().has_serve()) {
        context.Error(StagePath(i) + ".scoring.serve",
                      "a step tells events apart by something else than the key of the topic that "
                      "is read, so that the stage comes to several workers, of which none can "
                      "answer alone",
                      "declare a topic with that key, written by a stage before this one");
      }
    }
  }
}

// A field that a stage names, against the topic that it reads. Null where it is not declared.
const v1::Field* NamedField(const CheckContext& context, const v1::Topic& topic,
                            const std::string& path, const std::string& name) {
  if (name.empty()) return nullptr;
  for (const v1::Field& field : topic.fields()) {
    if (field.name() == name) return &field;
  }
  if (topic.closed()) {
    context.Error(path,
                  base::StrCat("the topic ", Quote(topic.name()), " has no field ", Quote(name)),
                  NearestHint(name, FieldNames(topic)));
  }
  return nullptr;
}

void CheckIndexing(const CheckContext& context, const v1::Indexing& indexing,
                   const std::string& path) {
  const v1::Topic* topic = context.Topic(indexing.from());
  const bool by_date = indexing.by() == v1::INDEX_BY_DAY || indexing.by() == v1::INDEX_BY_MONTH;
  if (topic == nullptr) return;
  if (topic->compacted() && by_date) {
    context.Error(path + ".by", "an index that is split by date cannot follow a compacted topic",
                  "an update would have to find the older document in another index");
  }
  if (!indexing.version().empty() && indexing.id().empty() && !topic->compacted()) {
    context.Error(path + ".version", "a version without an `id`: no document is written twice");
  }
  const v1::Field* id = NamedField(context, *topic, path + ".id", indexing.id());
  if (id != nullptr && (id->type() == v1::FIELD_TYPE_LIST || id->type() == v1::FIELD_TYPE_STRUCT)) {
    context.Error(path + ".id", "a list or struct cannot be an id");
  }
  const v1::Field* version = NamedField(context, *topic, path + ".version", indexing.version());
  if (version != nullptr && version->type() != v1::FIELD_TYPE_INT &&
      version->type() != v1::FIELD_TYPE_LONG) {
    context.Error(path + ".version", base::StrCat("expected a field of the type `int` or `long`; ",
                                                  Quote(indexing.version()), " is another"));
  }
}

// Two stages that write files below the same folder would take each other's for their own.
void CheckFolders(const CheckContext& context) {
  std::map<std::string, std::string> folders;  // folder, with a slash behind it → stage
  for (int i = 0; i < context.pipeline.spec().stages_size(); ++i) {
    const v1::Stage& stage = context.pipeline.spec().stages(i);
    const v1::Archiving& archiving = stage.archiving();
    const std::string folder =
        archiving.has_parquet() ? archiving.parquet().folder() : archiving.ndjson().folder();
    if (folder.empty()) continue;
    const std::string path = base::StrCat(
        StagePath(i), ".archiving.", archiving.has_parquet() ? "parquet" : "ndjson", ".folder");
    for (const auto& [other, name] : folders) {
      if (!other.starts_with(folder + "/") && !(folder + "/").starts_with(other)) continue;
      context.Error(path, base::StrCat("the folder of the stage ", Quote(name),
                                       " is the same, or one is within the other"));
      break;
    }
    folders.emplace(folder + "/", stage.name());
  }
}

}  // namespace

void CheckStages(const CheckContext& context) {
  for (int i = 0; i < context.pipeline.spec().stages_size(); ++i) {
    const v1::Stage& stage = context.pipeline.spec().stages(i);
    const std::string path = StagePath(i);
    if (stage.has_ingest()) CheckIngest(context, stage.ingest(), path + ".ingest");
    if (stage.has_scoring()) {
      CheckServe(context, stage.scoring(), path + ".scoring");
      CheckState(context, stage.scoring().state(), path + ".scoring.state");
    }
    if (stage.has_indexing()) CheckIndexing(context, stage.indexing(), path + ".indexing");
  }
  CheckParts(context);
  CheckFolders(context);
}

}  // namespace levada::pipeline
