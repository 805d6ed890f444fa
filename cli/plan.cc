#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "cli/plan/changes.h"
#include "cli/target/find.h"
#include "core/base/strings.h"
#include "core/kafka/topics.h"
#include "core/pipeline/resource_json.h"

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

struct Flags {
  Where where;
  Source source;
  std::string name;
  std::string brokers;
  std::string secrets_dir;
  bool json = false;
  bool exit_code = false;
};

// Exit code with --exit-code where there are changes.
constexpr int kChanges = 3;

int Against(const Flags& flags, const v1::Pipeline& pipeline, const Cluster& cluster) {
  kube::Json manifest = kube::Json::parse(pipeline::ToJson(pipeline));
  const std::string& own = pipeline.metadata().namespace_();
  if (!own.empty() && !flags.where.name_space.empty() && own != flags.where.name_space) {
    std::cerr << "levada plan: the manifest is of namespace " << own << ", and -n says "
              << flags.where.name_space << '\n';
    return kWrongUse;
  }
  if (own.empty()) manifest["metadata"]["namespace"] = cluster.name_space;
  const auto changes = PlanOnCluster(cluster, manifest, {.brokers = flags.brokers});
  if (!changes.ok()) return Complain(changes.status());
  std::cout << (flags.json ? ToJson(*changes).dump(2) + "\n" : ToText(*changes));
  return flags.exit_code && changes->any() ? kChanges : kOk;
}

int AgainstKafka(const Flags& flags, const v1::Pipeline& pipeline) {
  const pipeline::Plan plan = pipeline::Compile(pipeline);
  const std::string brokers = BrokersFor(flags.brokers);
  auto config = kafka::ConfigFor(plan.pipeline, brokers, base::Secrets(flags.secrets_dir),
                                 FilesDir(flags.source));
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
  flags.json ? PrintJson(plan, changes) : PrintText(plan, changes, config->brokers);
  return flags.exit_code && !changes.empty() ? kChanges : kOk;
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("FILE", flags.source.file, "Manifest; - is standard input")->required();
  app.add_option("--name", flags.name, "Which pipeline of the file");
  app.add_flag("--local", flags.where.local, "Compare with Kafka alone, as levada run does");
  app.add_option("--context", flags.where.context, "Cluster, by a context of the kubeconfig");
  app.add_option("--kubeconfig", flags.where.kubeconfig,
                 "File that says how clusters are reached (default: $KUBECONFIG, ~/.kube/config)");
  app.add_option("-n,--namespace", flags.where.name_space,
                 "Namespace of the cluster (default: the manifest's, else the context's)");
  app.add_option(
      "--kafka", flags.brokers,
      "Kafka brokers (host:port,…), where the manifest has no connection `kafka` "
      "(default: $LEVADA_KAFKA, 127.0.0.1:9092); with a cluster, as its Kafka is reached "
      "from here");
  app.add_option("--secrets", flags.secrets_dir,
                 "With --local: folder of secrets, <folder>/<secret>/<key>")
      ->envname("LEVADA_SECRETS");
  AddOverrides(app, flags.source.overrides);
  app.add_flag("--json", flags.json, "For machines");
  app.add_flag("--exit-code", flags.exit_code, "Exit code 3 where there are changes");
}

// A flag that is about clusters asks for one; --local, and --kafka or LEVADA_KAFKA without such a
// flag, for none; otherwise it is the current context's, where that has Levada.
absl::StatusOr<std::optional<Cluster>> ClusterFor(const Flags& flags) {
  const bool asked = flags.where.names_cluster() || !flags.where.name_space.empty() || IsPlugin();
  if (flags.where.local && asked && !IsPlugin()) {
    return absl::InvalidArgumentError("--local goes with no flag that is about a cluster");
  }
  const bool kafka = !flags.brokers.empty() || std::getenv("LEVADA_KAFKA") != nullptr;
  if (flags.where.local || (!asked && kafka)) return std::nullopt;
  auto cluster = Connect(flags.where);
  if (!cluster.ok()) {
    if (asked) return cluster.status();
    return std::nullopt;
  }
  const auto serves = cluster->client->Serves(kube::kPipelines);
  if (serves.ok() && *serves) return *std::move(cluster);
  if (!asked) return std::nullopt;
  if (!serves.ok()) return Explained(serves.status(), cluster->name_space);
  return absl::FailedPreconditionError(
      base::StrCat("Levada is not installed on ", cluster->name, ": its CRD is missing"));
}

}  // namespace

int RunPlan(std::span<const std::string_view> args) {
  CLI::App app(
      "Says what would change, and changes nothing.\n"
      "On a cluster (the current context's where that has Levada): what kubectl apply of the\n"
      "manifest would make the operator do. Otherwise, and with --local: what levada run would do\n"
      "on Kafka. Exit code 0, also when there are changes (but for --exit-code); 1: it could not\n"
      "be found out; 2: the manifest is wrong, or the cluster refuses it.",
      "levada plan");
  Flags flags;
  AddFlags(app, flags);
  if (auto code = Parse(app, args)) return *code;
  const auto pipeline = LoadOne(flags.source, flags.name);
  if (!pipeline) return kWrongUse;
  auto cluster = ClusterFor(flags);
  if (!cluster.ok()) return Complain(cluster.status());
  if (!*cluster) return AgainstKafka(flags, *pipeline);
  if (!pipeline->metadata().namespace_().empty()) {
    (*cluster)->name_space = pipeline->metadata().namespace_();
  }
  return Against(flags, *pipeline, **cluster);
}

}  // namespace levada::cli
