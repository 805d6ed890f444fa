// levada: the program that people use.

#include <iomanip>
#include <iostream>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/eval.h"
#include "cli/generate.h"
#include "cli/load.h"
#include "cli/plugin.h"
#include "cli/target/registry.h"
#include "core/base/suggest.h"

namespace levada::cli {
namespace {

constexpr std::string_view kVersion = "0.1.0";

struct Command {
  std::string_view name;
  std::string_view help;
  int (*run)(std::span<const std::string_view>);
};

constexpr Command kCommands[] = {
    {"validate", "Check manifests", RunValidate},
    {"test", "Run the tests of pipelines, without Kafka", RunTest},
    {"plan", "Say what a run, or an apply to a cluster, would change", RunPlan},
    {"run", "Run a pipeline on this machine", RunRun},
    {"status", "Say how pipelines are, on this machine or a cluster", RunStatus},
    {"top", "Show what the stages of pipelines do just now", RunTop},
    {"pause", "Stop a pipeline from taking events in", RunPause},
    {"resume", "Let it go on", RunResume},
    {"logs", "Print the logs of a pipeline's workers", RunLogs},
    {"dlq", "Count, show, send again or delete dead letters", RunDlq},
    {"pipe", "Run one stage from standard input to standard output", RunPipe},
    {"eval", "Evaluate an expression over events", RunEval},
    {"generate", "Make events: simulated card transactions", RunGenerate},
    {"completion", "Print a completion script for bash, zsh or fish", RunCompletion},
};

bool TakesPipeline(std::string_view command) {
  return command == "status" || command == "top" || command == "pause" || command == "resume" ||
         command == "logs";
}

void PrintHelp(std::ostream& out) {
  const std::string_view program = IsPlugin() ? "kubectl levada" : "levada";
  out << "Levada runs streaming data pipelines on your own Kafka.\n\nUsage: " << program
      << " COMMAND [ARGUMENTS]\n\nCommands:\n";
  for (const Command& command : kCommands) {
    out << "  " << std::left << std::setw(12) << command.name << command.help << '\n';
  }
  out << "  version     Print the version\n\n"
      << program
      << " COMMAND --help says more. Exit codes: 0 good, 1 failed, 2 wrong use or "
         "manifest.\n";
}

// Words that may stand behind `dlq` at place 2, or where a command takes the name of a pipeline.
void PrintWords(std::span<const std::string_view> typed) {
  const std::string_view command = typed[0];
  const bool first = typed.size() < 2 || typed[1] == "2";
  if (command == "dlq" && first) {
    std::cout << "list\nshow\nreplay\npurge\n";
  } else if (command == "completion") {
    std::cout << "bash\nzsh\nfish\n";
  } else if (command == "dlq" || (first && TakesPipeline(command))) {
    for (const RunRecord& run : ListRuns(FolderOfRuns())) std::cout << run.pipeline << '\n';
  }
}

int Main(int argc, char** argv) {
  SetPlugin(argv[0]);
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const std::span<const std::string_view> args(words);
  if (args.empty() || args[0] == "help" || args[0] == "--help" || args[0] == "-h") {
    PrintHelp(args.empty() ? std::cerr : std::cout);
    return args.empty() ? kWrongUse : kOk;
  }
  if (args[0] == "version" || args[0] == "--version") {
    std::cout << "levada " << kVersion << '\n';
    return kOk;
  }
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) {
    if (command.name == args[0]) return command.run(args.subspan(1));
    names.push_back(command.name);
  }
  if (args[0] == "commands") {  // for the completion scripts
    if (args.size() == 1) {
      for (std::string_view name : names) std::cout << name << '\n';
    } else {
      PrintWords(args.subspan(1));
    }
    return kOk;
  }
  std::cerr << "levada: there is no command \"" << args[0] << '"'
            << base::DidYouMean(args[0], names) << "\nlevada --help lists the commands\n";
  return kWrongUse;
}

}  // namespace
}  // namespace levada::cli

int main(int argc, char** argv) { return levada::cli::Main(argc, argv); }
