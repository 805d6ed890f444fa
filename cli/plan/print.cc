#include <nlohmann/json.hpp>

#include "cli/plan/changes.h"
#include "core/base/strings.h"

namespace levada::cli {
namespace {

using Json = nlohmann::json;
using Kind = kafka::TopicChange::Kind;

char Sign(Action action) {
  switch (action) {
    case Action::kCreate:
      return '+';
    case Action::kChange:
      return '~';
    case Action::kDelete:
      return '-';
    case Action::kNone:
      break;
  }
  return '=';
}

std::string_view Word(Action action) {
  switch (action) {
    case Action::kCreate:
      return "create";
    case Action::kChange:
      return "change";
    case Action::kDelete:
      return "delete";
    case Action::kNone:
      break;
  }
  return "none";
}

std::string_view Word(Kind kind) {
  switch (kind) {
    case Kind::kCreate:
      return "create";
    case Kind::kGrow:
      return "grow";
    case Kind::kConfigure:
      return "configure";
    case Kind::kRefused:
      break;
  }
  return "refuse";
}

std::string StageLine(const StageChange& stage) {
  std::string line = base::StrCat("  ", std::string(1, Sign(stage.action)), " ", stage.name);
  if (stage.rolls) line += ": its workers are replaced one after the other";
  for (size_t i = 0; i < stage.reasons.size(); ++i) {
    base::StrAppend(&line, i > 0 ? "; " : stage.rolls ? ", since " : ": ", stage.reasons[i]);
  }
  line += '\n';
  for (const std::string& change : stage.slice) base::StrAppend(&line, "        ", change, "\n");
  return line;
}

}  // namespace

std::string ToText(const ClusterChanges& changes) {
  std::string text =
      base::StrCat("Pipeline ", changes.pipeline, " on ", changes.cluster, ": ",
                   changes.is_new  ? "new"
                   : changes.any() ? "changes"
                                   : "nothing changes",
                   "\n\n", "Topics",
                   changes.kafka.empty() ? "" : base::StrCat(" on Kafka at ", changes.kafka), "\n");
  for (const kafka::TopicChange& change : changes.topic_changes) {
    base::StrAppend(&text, "  ", change.kind == Kind::kCreate ? "+" : "~", " ", change.text, "\n");
  }
  base::StrAppend(&text, "  = ", changes.topics, " topics, ", changes.topic_changes.size(),
                  " changes\n\nStages\n");
  for (const StageChange& stage : changes.stages) text += StageLine(stage);
  if (!changes.objects.empty()) text += "\nObjects\n";
  for (const ObjectChange& object : changes.objects) {
    base::StrAppend(&text, "  ", std::string(1, Sign(object.action)), " ", object.kind, " ",
                    object.name, "\n");
    for (const std::string& difference : object.differences) {
      base::StrAppend(&text, "        ", difference, "\n");
    }
  }
  if (!changes.refused.empty()) text += "\nThe operator will not do, and will say in the status\n";
  for (const std::string& refused : changes.refused) base::StrAppend(&text, "  ! ", refused, "\n");
  if (!changes.notes.empty()) text += "\nNotes\n";
  for (const std::string& note : changes.notes) base::StrAppend(&text, "  ", note, "\n");
  return text;
}

Json ToJson(const ClusterChanges& changes) {
  Json out = {{"pipeline", changes.pipeline},     {"cluster", changes.cluster},
              {"operator", changes.installation}, {"new", changes.is_new},
              {"changes", changes.any()},         {"kafka", changes.kafka},
              {"refused", changes.refused},       {"notes", changes.notes}};
  for (const char* name : {"topics", "stages", "objects"}) out[name] = Json::array();
  for (const kafka::TopicChange& change : changes.topic_changes) {
    out["topics"].push_back({{"action", Word(change.kind)},
                             {"topic", change.topic.name},
                             {"partitions", change.topic.partitions},
                             {"config", change.topic.config},
                             {"text", change.text}});
  }
  for (const StageChange& stage : changes.stages) {
    out["stages"].push_back({{"name", stage.name},
                             {"action", Word(stage.action)},
                             {"rolls", stage.rolls},
                             {"reasons", stage.reasons},
                             {"slice", stage.slice}});
  }
  for (const ObjectChange& object : changes.objects) {
    out["objects"].push_back({{"action", Word(object.action)},
                              {"kind", object.kind},
                              {"name", object.name},
                              {"differences", object.differences}});
  }
  return out;
}

}  // namespace levada::cli
