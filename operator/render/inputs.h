#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/pipeline/plan.h"
#include "operator/render/settings.h"

// The Secrets and ConfigMaps that stages use, by the ways in which they can: connections and server
// certificates (`secretRef`, `tlsSecretRef`), files (`spec.files`), variables (`pod.env`,
// `pod.envFrom`).
//
// Threads: pure functions.
namespace levada::render {

// Who reads them: the worker, or levada-fetch, which brings the files that are in buckets before
// the worker starts and is the only one that has the keys of buckets.
enum class Reader { kWorker, kFetch };

// Names of the secrets that are read as files, sorted: those of the stage's slice.
std::vector<std::string> SecretsOf(const pipeline::PlannedStage& stage,
                                   Reader reader = Reader::kWorker);

// The entries of `spec.files` whose path the stage's slice names, in the manifest's order.
std::vector<v1::MountedFile> FilesOf(const pipeline::Plan& plan,
                                     const pipeline::PlannedStage& stage,
                                     Reader reader = Reader::kWorker);

// The key of a file in its ConfigMap or Secret, or its path on its volume.
std::string KeyOf(const v1::MountedFile& file);

// All that a change of which restarts the stage; that of the pipeline's stages together, with what
// its tests read.
std::set<Input> InputsOf(const pipeline::Plan& plan, const pipeline::PlannedStage& stage);
std::set<Input> InputsOf(const pipeline::Plan& plan);

// Those without which the stage's pods cannot start and which do not exist, for people:
// "Secret mail-login". `optional` ones are not among them.
std::vector<std::string> MissingInputs(const pipeline::Plan& plan,
                                       const pipeline::PlannedStage& stage, const Facts& facts);

}  // namespace levada::render
