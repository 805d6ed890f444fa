#include "cli/target/find.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_join.h"
#include "cli/load.h"
#include "cli/plugin.h"
#include "cli/target/cluster.h"
#include "cli/target/local.h"
#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "operator/kube/config.h"

namespace levada::cli {
namespace {

constexpr std::chrono::seconds kRequestTimeout{10};

bool OnlyCluster(const Where& where) {
  return where.names_cluster() || (IsPlugin() && !where.local && where.state_dir.empty());
}

absl::Status CheckWhere(const Where& where) {
  if (where.names_cluster() && (where.local || !where.state_dir.empty())) {
    return absl::InvalidArgumentError(
        "--local and --state are about this machine, --context, --kubeconfig and -A about a "
        "cluster: give one of them");
  }
  return absl::OkStatus();
}

bool Matches(const RunRecord& run, const Where& where, const std::string& name, Ended ended) {
  std::error_code ignored;
  return (run.alive || ended == Ended::kToo) && (name.empty() || run.pipeline == name) &&
         (where.name_space.empty() || run.name_space == where.name_space) &&
         (where.state_dir.empty() ||
          std::filesystem::equivalent(where.state_dir, run.state_dir, ignored));
}

std::vector<RunRecord> Runs(const Where& where, const std::string& name, Ended ended) {
  std::vector<RunRecord> runs;
  if (OnlyCluster(where)) return runs;
  for (RunRecord& run : ListRuns(FolderOfRuns())) {
    if (Matches(run, where, name, ended)) runs.push_back(std::move(run));
  }
  // One that runs is meant before those that have ended.
  const bool any = std::any_of(runs.begin(), runs.end(), [](const auto& run) { return run.alive; });
  if (any) std::erase_if(runs, [](const RunRecord& run) { return !run.alive; });
  return runs;
}

absl::Status Several(const std::vector<RunRecord>& runs) {
  std::string text;
  for (const RunRecord& run : runs) {
    base::StrAppend(&text, "\n  ", run.name_space, "/", run.pipeline, " in ", run.state_dir);
  }
  return absl::InvalidArgumentError(base::StrCat("several runs on this machine are meant:", text,
                                                 "\nsay which by name, -n or --state FOLDER"));
}

absl::StatusOr<std::vector<kube::Json>> PipelinesOf(const Cluster& cluster, bool all_namespaces) {
  auto pipelines = cluster.client->List(kube::kPipelines,
                                        {.name_space = all_namespaces ? "" : cluster.name_space});
  if (!pipelines.ok()) return Explained(pipelines.status(), cluster.name_space);
  return pipelines;
}

absl::Status NoSuchPipeline(const Cluster& cluster, const std::string& name,
                            const std::vector<std::string>& names) {
  return absl::NotFoundError(base::StrCat(
      "no pipeline ", name.empty() ? "" : base::StrCat("\"", name, "\" "), "in namespace ",
      cluster.name_space, " of ", cluster.name, base::DidYouMean(name, names),
      names.empty() ? "" : base::StrCat("; there are ", absl::StrJoin(names, ", ")),
      ". -n names another namespace"));
}

absl::StatusOr<std::unique_ptr<Target>> OnCluster(const Where& where, const std::string& name) {
  auto cluster = Connect(where);
  if (!cluster.ok()) return cluster.status();
  if (!name.empty()) {
    const auto live = cluster->client->Get(kube::kPipelines, {cluster->name_space, name});
    if (live.ok()) return std::make_unique<ClusterTarget>(*cluster, *live);
    if (!absl::IsNotFound(live.status())) return Explained(live.status(), cluster->name_space);
  }
  const auto pipelines = PipelinesOf(*cluster, false);
  if (!pipelines.ok()) return pipelines.status();
  std::vector<std::string> names;
  for (const kube::Json& pipeline : *pipelines) names.push_back(kube::NameOf(pipeline));
  if (name.empty() && names.size() == 1) {
    return std::make_unique<ClusterTarget>(*cluster, pipelines->front());
  }
  if (name.empty() && !names.empty()) {
    return absl::InvalidArgumentError(base::StrCat("say which pipeline: ", cluster->name,
                                                   " has in namespace ", cluster->name_space, " ",
                                                   absl::StrJoin(names, ", ")));
  }
  return NoSuchPipeline(*cluster, name, names);
}

absl::Status NoRun(const std::string& name) {
  std::vector<std::string> names;
  for (const RunRecord& run : ListRuns(FolderOfRuns())) {
    if (run.alive) names.push_back(run.pipeline);
  }
  return absl::NotFoundError(
      base::StrCat("no run ", name.empty() ? "" : base::StrCat("of \"", name, "\" "),
                   "on this machine", base::DidYouMean(name, names),
                   names.empty() ? "" : base::StrCat("; there are ", absl::StrJoin(names, ", "))));
}

// What is not a run here was looked for on the cluster: both are said.
absl::Status NeitherNor(const absl::Status& here, const absl::Status& there) {
  return absl::Status(there.code(),
                      base::StrCat(base::View(here.message()), "; ", base::View(there.message())));
}

}  // namespace

void AddWhere(CLI::App& app, Where& where) {
  app.add_flag("--local", where.local, "The run on this machine (levada run), not a cluster");
  app.add_option("--state", where.state_dir,
                 "Its state folder, where several runs have the same name");
  app.add_option("--context", where.context, "Cluster, by a context of the kubeconfig");
  app.add_option("--kubeconfig", where.kubeconfig,
                 "File that says how clusters are reached (default: $KUBECONFIG, ~/.kube/config)");
  app.add_option("-n,--namespace", where.name_space,
                 "Namespace (default: that of the context; on this machine any)");
}

void AddAllNamespaces(CLI::App& app, Where& where) {
  app.add_flag("-A,--all-namespaces", where.all_namespaces, "The cluster's pipelines everywhere");
}

absl::StatusOr<Cluster> Connect(const Where& where) {
  const auto config = kube::LoadConfig({.kubeconfig = where.kubeconfig, .context = where.context});
  if (!config.ok()) return config.status();
  auto transport = kube::Transport::Create(*config, {.timeout = kRequestTimeout});
  if (!transport.ok()) return transport.status();
  kube::Client::Options options;
  options.field_manager = "levada";
  options.user_agent = "levada";
  options.timeout = kRequestTimeout;
  options.patience = kRequestTimeout;
  Cluster cluster;
  cluster.transport = *std::move(transport);
  cluster.client = std::make_shared<kube::Client>(cluster.transport, options);
  cluster.name =
      base::StrCat("cluster ", config->context.empty() ? config->server : config->context);
  cluster.name_space = where.name_space.empty() ? config->name_space : where.name_space;
  return cluster;
}

absl::StatusOr<std::unique_ptr<Target>> FindTarget(const Where& where, const std::string& name,
                                                   Ended ended) {
  if (absl::Status status = CheckWhere(where); !status.ok()) return status;
  std::vector<RunRecord> runs = Runs(where, name, ended);
  if (runs.size() > 1) return Several(runs);
  if (runs.size() == 1) return std::make_unique<LocalTarget>(std::move(runs.front()));
  if (where.local || !where.state_dir.empty()) return NoRun(name);
  auto target = OnCluster(where, name);
  if (target.ok() || OnlyCluster(where)) return target;
  return NeitherNor(NoRun(name), target.status());
}

absl::StatusOr<std::vector<std::unique_ptr<Target>>> FindTargets(const Where& where) {
  if (absl::Status status = CheckWhere(where); !status.ok()) return status;
  std::vector<std::unique_ptr<Target>> targets;
  for (RunRecord& run : Runs(where, "", Ended::kNo)) {
    targets.push_back(std::make_unique<LocalTarget>(std::move(run)));
  }
  if (!targets.empty()) return targets;
  if (where.local || !where.state_dir.empty()) return NoRun("");
  const auto cluster = Connect(where);
  const auto pipelines = cluster.ok() ? PipelinesOf(*cluster, where.all_namespaces)
                                      : absl::StatusOr<std::vector<kube::Json>>(cluster.status());
  if (!pipelines.ok()) {
    return OnlyCluster(where) ? pipelines.status() : NeitherNor(NoRun(""), pipelines.status());
  }
  for (const kube::Json& pipeline : *pipelines) {
    targets.push_back(std::make_unique<ClusterTarget>(*cluster, pipeline));
  }
  return targets;
}

int Complain(const absl::Status& status) {
  Fail(base::View(status.message()));
  return absl::IsInvalidArgument(status) || absl::IsUnimplemented(status) ? kWrongUse : kFailed;
}

}  // namespace levada::cli
