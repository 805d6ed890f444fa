#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/target/target.h"

// Which pipeline a command means.
//
//   Where where;
//   AddWhere(app, where);                       // --local, --context, -n, …
//   auto target = FindTarget(where, name, Ended::kNo);
//
// Without --local and without a flag that is about clusters, a run on this machine of that name is
// meant if there is one, otherwise the cluster of the current context. As `kubectl levada` the
// cluster is meant, always.
//
// Threads: one.
namespace CLI {
class App;
}

namespace levada::cli {

struct Where {
  bool local = false;
  std::string state_dir;  // of a local run, where there are several of one name
  std::string kubeconfig;
  std::string context;
  std::string name_space;  // empty: of the context; of local runs: any
  bool all_namespaces = false;

  bool names_cluster() const { return !kubeconfig.empty() || !context.empty() || all_namespaces; }
};

void AddWhere(CLI::App& app, Where& where);
void AddAllNamespaces(CLI::App& app, Where& where);

// Whether runs that have ended without taking their leave count.
enum class Ended { kNo, kToo };

// `name` empty: the only one that there is. kNotFound lists those that there are;
// kInvalidArgument: flags that do not go together, or more than one is meant.
absl::StatusOr<std::unique_ptr<Target>> FindTarget(const Where& where, const std::string& name,
                                                   Ended ended);

// All pipelines that are meant.
absl::StatusOr<std::vector<std::unique_ptr<Target>>> FindTargets(const Where& where);

// 2 for what the user gave wrong, 1 for the rest; says it on standard error.
int Complain(const absl::Status& status);

}  // namespace levada::cli
