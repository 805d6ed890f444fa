#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "cli/test/report.h"
#include "levada/v1/pipeline.pb.h"

// Reads manifests with tests and runs those of each pipeline; several pipelines at a time.
//
// Threads: one.
namespace levada::cli {

// The tests of one pipeline of a file.
struct Job {
  std::string file;
  std::string files;  // folder of the files that the manifest names
  v1::Pipeline pipeline;
};

struct Loaded {
  std::vector<Job> jobs;
  bool wrong = false;                 // a manifest could not be read; it was told why
  std::set<std::string> named_files;  // manifests and all files that they name
};

// Files that hold other resources than pipelines are passed over, and told of.
Loaded LoadJobs(const std::vector<std::string>& files, const std::vector<std::string>& overrides);

struct RunOptions {
  std::string programs;
  std::string secrets;
};

// `done` is called for each, in order, as soon as it and those before it have ended.
std::vector<Suite> RunJobs(const std::vector<Job>& jobs, const RunOptions& options,
                           const std::function<void(const Suite&)>& done);

}  // namespace levada::cli
