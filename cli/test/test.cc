#include <re2/re2.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "cli/test/suites.h"
#include "cli/test/watch.h"
#include "core/base/strings.h"

namespace levada::cli {
namespace {

struct Options {
  std::vector<std::string> files;
  std::vector<std::string> overrides;
  std::string only;
  std::string junit;
  std::string summary;
  RunOptions run;
  ReportStyle style;
  bool require = false;
  bool watch = false;
};

void AddFlags(CLI::App& app, Options& options) {
  app.add_option("FILE", options.files, "Manifests; - is standard input")->required();
  app.add_option("--only", options.only,
                 "Only tests whose name has this in it (a regular expression)");
  app.add_flag("--coverage", options.style.coverage,
               "Also what no test has reached, of steps, rules and outputs");
  app.add_flag("-v,--verbose", options.style.verbose, "Also the tests that passed");
  app.add_option("--junit", options.junit, "File that the results are written to, as JUnit's XML");
  app.add_option("--summary", options.summary,
                 "File that the names of what failed are written to, in a few lines");
  app.add_flag("--require", options.require, "A pipeline without tests fails");
  app.add_flag("--watch", options.watch,
               "Again whenever a manifest or a file that one names is written, until Ctrl-C");
  app.add_option("--secrets", options.run.secrets, "Folder of secrets: <folder>/<secret>/<key>")
      ->envname("LEVADA_SECRETS");
  app.add_option("--programs", options.run.programs, "Folder of the services' programs");
  AddOverrides(app, options.overrides);
}

// Leaves the tests that are asked for; false where there are none of them.
bool KeepOnly(const re2::RE2& only, std::vector<Job>* jobs) {
  bool any = false;
  std::vector<Job> kept;
  for (Job& job : *jobs) {
    auto& tests = *job.pipeline.mutable_spec()->mutable_tests();
    google::protobuf::RepeatedPtrField<v1::Test> wanted;
    for (v1::Test& test : tests) {
      if (re2::RE2::PartialMatch(test.name(), only)) *wanted.Add() = std::move(test);
    }
    if (wanted.empty()) continue;
    any = true;
    tests = std::move(wanted);
    kept.push_back(std::move(job));
  }
  *jobs = std::move(kept);
  return any;
}

bool WriteFile(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  out.close();
  if (!out) std::cerr << "levada: cannot write " << file << '\n';
  return static_cast<bool>(out);
}

int RunAll(const Options& options, Loaded loaded) {
  const auto began = std::chrono::steady_clock::now();
  int code = loaded.wrong ? kWrongUse : kOk;
  if (!options.only.empty() && !KeepOnly(re2::RE2(options.only), &loaded.jobs)) {
    std::cerr << "levada: no test's name matches " << options.only << '\n';
    return kWrongUse;
  }
  const std::vector<Suite> suites = RunJobs(loaded.jobs, options.run, [&](const Suite& suite) {
    std::cout << SuiteText(suite, options.style) << std::flush;
  });
  for (const Suite& suite : suites) {
    const bool missing = options.require && suite.tests.empty();
    if (missing) std::cerr << suite.file << ": " << suite.pipeline << " has no tests (--require)\n";
    if (missing || !suite.passed()) code = std::max(code, kFailed);
  }
  const auto took = std::chrono::steady_clock::now() - began;
  std::cout << SummaryText(suites, std::chrono::duration_cast<std::chrono::microseconds>(took),
                           options.style)
            << std::flush;
  if (!options.junit.empty() && !WriteFile(options.junit, JunitXml(suites))) {
    code = std::max(code, kFailed);
  }
  if (!options.summary.empty() && !WriteFile(options.summary, FailedText(suites))) {
    code = std::max(code, kFailed);
  }
  return code;
}

int Watch(const Options& options) {
  std::set<std::string> files(options.files.begin(), options.files.end());
  while (true) {
    if (options.style.colour) std::cout << "\033[2J\033[H";
    // Listening begins before they are read: a change meanwhile is seen.
    FileWatch before(files);
    Loaded loaded = LoadJobs(options.files, options.overrides);
    files.insert(loaded.named_files.begin(), loaded.named_files.end());
    FileWatch watch(files);
    RunAll(options, std::move(loaded));
    std::cout << "Waiting for a change (Ctrl-C ends)\n" << std::flush;
    if (absl::Status status = watch.Wait(); !status.ok()) return Fail(base::View(status.message()));
  }
}

}  // namespace

int RunTest(std::span<const std::string_view> args) {
  CLI::App app(
      "Runs the tests of pipelines (spec.tests): events in, records expected out of stages.\n"
      "The stages run here, without Kafka and under the clock of the test; nothing is sent.\n"
      "Exit code 1 if a test failed, 2 if a manifest is wrong.",
      "levada test");
  Options options;
  AddFlags(app, options);
  if (auto code = Parse(app, args)) return *code;
  if (const re2::RE2 only(options.only, re2::RE2::Quiet); !only.ok()) {
    std::cerr << "levada test: --only: " << only.error() << '\n';
    return kWrongUse;
  }
  const bool from_input =
      std::find(options.files.begin(), options.files.end(), "-") != options.files.end();
  if (options.watch && from_input) {
    std::cerr << "levada test: standard input cannot be watched\n";
    return kWrongUse;
  }
  signal(SIGPIPE, SIG_IGN);  // of a stage that has ended
  options.style.colour = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
  if (options.watch) return Watch(options);
  return RunAll(options, LoadJobs(options.files, options.overrides));
}

}  // namespace levada::cli
