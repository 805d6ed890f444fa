#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/pipeline/plan.h"
#include "operator/controller/cluster.h"
#include "operator/kube/client.h"

// Brings the objects of one pipeline to what is wanted, with as few requests as there are
// differences: none where nothing changes.
//
//   const Written written = Write(client, pipeline, plan, wanted, cluster.OwnedBy(pipeline));
//   if (!written.status.ok()) ...   // the rest was written all the same
//
// An object of a wanted name that somebody else controls is never touched: that is an error which
// names its owner. Fields that somebody else changed by hand are put right. What has changed since
// `owned` was read is not written either (kube::IsConflict): look again.
//
// Threads: any; one call a pipeline at a time.
namespace levada::controller {

// For people: "Deployment fraud-detect", "spec.replicas: 2 -> 3" or "created".
struct Change {
  std::string object;
  std::string what;
};

struct Written {
  // The first thing that failed, with how many more; OK if all is as wanted.
  absl::Status status;
  std::vector<Change> changes;
  std::vector<kube::Json> deployments;  // those that were changed, as the API server has them now
};

Written Write(kube::Client& client, const kube::Json& pipeline, const pipeline::Plan& plan,
              std::vector<kube::Json> wanted, const std::vector<Owned>& owned);

// Changes nothing of the Deployments, by stage, but their replicas. One of a paused pipeline is
// left as it is.
void Scale(kube::Client& client, const std::map<std::string, kube::Json>& deployments,
           const std::map<std::string, int>& replicas, Written* written);

// All of it in one text: "Deployment fraud-detect: spec.replicas: 2 -> 3", "ServiceAccount a,
// Service b and 23 more: created; ...".
std::string Describe(const std::vector<Change>& changes);

}  // namespace levada::controller
