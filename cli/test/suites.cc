#include "cli/test/suites.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "cli/fetch.h"
#include "cli/load.h"
#include "cli/test/test_bed.h"
#include "core/base/strings.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/plan.h"
#include "core/pipeline/rules.h"
#include "core/pipeline/visit.h"
#include "core/pipeline/yaml.h"

namespace levada::cli {
namespace {

using google::protobuf::FieldDescriptor;

bool IsOtherKind(const pipeline::YamlNode& document) {
  for (const auto& [key, value] : document.entries) {
    if (key.text != "kind") continue;
    return !value.text.empty() && value.text != pipeline::kKind && !value.text.ends_with("List");
  }
  return false;
}

// `levada test *.yaml` comes upon a kustomization.yaml and the like.
bool HasOnlyOtherKinds(const std::string& file) {
  if (file == "-") return false;
  std::stringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  pipeline::Problems problems;
  const auto documents = pipeline::ParseYaml(
      std::make_shared<const pipeline::SourceText>(file, text.str()), &problems);
  return problems.empty() && !documents.empty() &&
         std::all_of(documents.begin(), documents.end(), IsOtherKind);
}

std::set<std::string> FilesOf(const Job& job) {
  std::set<std::string> files;
  pipeline::VisitTexts(
      job.pipeline, "",
      [&](const std::string&, const FieldDescriptor& field, const std::string& text) {
        if (pipeline::RulesOf(field).format() != v1::FILE) return;
        files.insert(text.starts_with("/") ? text : base::StrCat(job.files, "/", text));
      });
  return files;
}

// Runs the tests of `pipeline`, which has its defaults, on the stages of `plan`.
absl::Status RunTests(const v1::Pipeline& pipeline, const pipeline::Plan& plan,
                      const TestBed::Options& options, Suite* suite) {
  auto bed = TestBed::Start(plan, options);
  if (!bed.ok()) return bed.status();
  // Whether the stages start at all.
  if (absl::Status status = (*bed)->Reset(0); !status.ok()) return status;
  for (const v1::Test& test : pipeline.spec().tests()) {
    suite->tests.push_back(RunTest(pipeline, test, options.files, **bed));
    // A stage that has ended does not take the tests behind with it.
    if (suite->tests.back().error.empty() || (*bed)->Reset(0).ok()) continue;
    bed = TestBed::Start(plan, options);
    if (!bed.ok()) return bed.status();
  }
  auto coverage = (*bed)->Coverage();
  if (coverage.ok()) suite->coverage = *std::move(coverage);
  return coverage.status();
}

absl::Status RunJob(const Job& job, const RunOptions& options, Suite* suite) {
  v1::Pipeline pipeline = job.pipeline;
  const absl::Status fetched =
      FetchFiles({.folder = base::StrCat(".levada/", suite->pipeline, "/files"),
                  .files_dir = job.files,
                  .secrets_dir = options.secrets},
                 &pipeline);
  if (!fetched.ok()) return fetched;
  const pipeline::Plan plan = pipeline::Compile(pipeline);
  pipeline::ApplyDefaults(&pipeline);
  TestBed::Options bed_options{options.programs, job.files, options.secrets, {}};
  for (const v1::Test& test : pipeline.spec().tests()) {
    for (const auto& expected : test.expect()) bed_options.looked_at.insert(expected.stage());
  }
  return RunTests(pipeline, plan, bed_options, suite);
}

Suite SuiteOf(const Job& job, const RunOptions& options) {
  const auto began = std::chrono::steady_clock::now();
  Suite suite{.file = job.file, .pipeline = job.pipeline.metadata().name()};
  if (job.pipeline.spec().tests_size() == 0) return suite;
  if (absl::Status status = RunJob(job, options, &suite); !status.ok()) {
    suite.error = base::View(status.message());
  }
  suite.took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - began);
  return suite;
}

}  // namespace

Loaded LoadJobs(const std::vector<std::string>& files, const std::vector<std::string>& overrides) {
  Loaded loaded;
  for (const std::string& file : files) {
    loaded.named_files.insert(file);
    if (HasOnlyOtherKinds(file)) {
      std::cout << "none  " << file << ": no pipeline in it\n";
      continue;
    }
    const Source source{file, overrides};
    auto pipelines = LoadAll(source);
    loaded.wrong = loaded.wrong || !pipelines;
    if (!pipelines) continue;
    for (v1::Pipeline& pipeline : *pipelines) {
      loaded.jobs.push_back({file, FilesDir(source), std::move(pipeline)});
      loaded.named_files.merge(FilesOf(loaded.jobs.back()));
    }
  }
  return loaded;
}

std::vector<Suite> RunJobs(const std::vector<Job>& jobs, const RunOptions& options,
                           const std::function<void(const Suite&)>& done) {
  std::vector<std::optional<Suite>> suites(jobs.size());
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::condition_variable ended;
  const auto work = [&] {
    for (size_t i = next++; i < jobs.size(); i = next++) {
      Suite suite = SuiteOf(jobs[i], options);
      const std::lock_guard lock(mutex);
      suites[i] = std::move(suite);
      ended.notify_one();
    }
  };
  std::vector<std::jthread> threads;
  const size_t count =
      std::min<size_t>(jobs.size(), std::max(1u, std::thread::hardware_concurrency()));
  for (size_t i = 0; i < count; ++i) threads.emplace_back(work);

  std::vector<Suite> out;
  for (std::optional<Suite>& suite : suites) {
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return suite.has_value(); });
    out.push_back(*std::move(suite));
    lock.unlock();
    done(out.back());
  }
  return out;
}

}  // namespace levada::cli
