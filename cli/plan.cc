#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "core/base/strings.h"
#include "core/kafka/topics.h"

namespace levada::cli {
namespace {

using Kind = kafka::TopicChange::Kind;

std::string_view Verb(Kind kind) {
  switch (kind) {
    case Kind::kCreate:
      return "create";
    case Kind::kGrow:
      return "grow";
    case Kind::kConfigure:
      return "configure";
    case Kind::kRefused:
      return "refuse";
  }
  return "";
}

char Sign(Kind kind) { return kind == Kind::kCreate ? '+' : kind == Kind::kRefused ? '!' : '~'; }

void PrintText(const pipeline::Plan& plan, const std::vector<kafka::TopicChange>& changes,
               const std::string& brokers) {
  std::cout << "Pipeline " << plan.pipeline.metadata().name() << " on Kafka at " << brokers
            << "\n\nTopics\n";
  for (const kafka::TopicChange& change : changes) {
    std::cout << "  " << Sign(change.kind) << ' ' << change.text << '\n';
  }
  std::cout << "  = " << plan.topics.size() << " topics, "
            << (changes.empty() ? "all as they should be"
                                : base::StrCat(changes.size(), " changes"))
            << "\n\nStages\n";
  for (const pipeline::PlannedStage& stage : plan.stages) {
    std::cout << "  " << stage.name << ": " << stage.service;
    if (!stage.input.empty()) {
      std::cout << " reads " << stage.input << " as group " << stage.consumer_group;
    }
    for (const std::string& output : stage.outputs) std::cout << ", writes " << output;
    std::cout << " (slice " << stage.slice_hash << ")\n";
  }
}

void PrintJson(const pipeline::Plan& plan, const std::vector<kafka::TopicChange>& changes) {
  nlohmann::json out;
  out["pipeline"] = plan.pipeline.metadata().name();
  out["changes"] = nlohmann::json::array();
  for (const kafka::TopicChange& change : changes) {
    out["changes"].push_back({{"action", Verb(change.kind)},
                              {"topic", change.topic.name},
                              {"partitions", change.topic.partitions},
                              {"config", change.topic.config},
                              {"text", change.text}});
  }
  out["stages"] = nlohmann::json::array();
  for (const pipeline::PlannedStage& stage : plan.stages) {
    out["stages"].push_back({{"name", stage.name},
                             {"service", stage.service},
                             {"group", stage.consumer_group},
                             {"reads", stage.input},
                             {"writes", stage.outputs},
                             {"slice", stage.slice_hash}});
  }
  std::cout << out.dump(2) << '\n';
}

}  // namespace

int RunPlan(std::span<const std::string_view> args) {
  CLI::App app(
      "Says what `levada run` would create or change on Kafka, without doing it.\n"
      "Exit code 0, also when there are changes; see --json for them.",
      "levada plan");
  Source source;
  std::string name;
  std::string brokers = "127.0.0.1:9092";
  std::string secrets_dir;
  bool json = false;
  app.add_option("FILE", source.file, "Manifest; - is standard input")->required();
  app.add_option("--name", name, "Which pipeline of the file");
  AddKafka(app, brokers);
  app.add_option("--secrets", secrets_dir, "Folder of secrets: <folder>/<secret>/<key>")
      ->envname("LEVADA_SECRETS");
  AddOverrides(app, source.overrides);
  app.add_flag("--json", json, "For machines");
  if (auto code = Parse(app, args)) return *code;
  const auto pipeline = LoadOne(source, name);
  if (!pipeline) return kWrongUse;
  const pipeline::Plan plan = pipeline::Compile(*pipeline);
  auto config =
      kafka::ConfigFor(plan.pipeline, brokers, base::Secrets(secrets_dir), FilesDir(source));
  if (!config.ok()) return Fail(base::View(config.status().message()));
  auto admin = kafka::Admin::Create(*config);
  if (!admin.ok()) return Fail(base::View(admin.status().message()));
  absl::Status reached = (*admin)->WaitForBroker(std::chrono::seconds(10));
  if (!reached.ok()) return Fail(base::View(reached.message()));
  const std::vector<kafka::NewTopic> wanted = TopicsOf(plan);
  std::vector<std::string> names;
  for (const kafka::NewTopic& topic : wanted) names.push_back(topic.name);
  auto have = (*admin)->Describe(names);
  if (!have.ok()) return Fail(base::View(have.status().message()));
  const std::vector<kafka::TopicChange> changes = kafka::Compare(wanted, *have);
  json ? PrintJson(plan, changes) : PrintText(plan, changes, config->brokers);
  return kOk;
}

}  // namespace levada::cli
