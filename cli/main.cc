// levada: the program that people use.

#include <iomanip>
#include <iostream>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/eval.h"
#include "cli/generate.h"
#include "cli/load.h"
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
    {"plan", "Say what a run would create or change on Kafka", RunPlan},
    {"run", "Run a pipeline on this machine", RunRun},
    {"pipe", "Run one stage from standard input to standard output", RunPipe},
    {"eval", "Evaluate an expression over events", RunEval},
    {"generate", "Make events: simulated card transactions", RunGenerate},
    {"completion", "Print a completion script for bash or zsh", RunCompletion},
};

void PrintHelp(std::ostream& out) {
  out << "Levada runs streaming data pipelines on your own Kafka.\n\n"
         "Usage: levada COMMAND [ARGUMENTS]\n\nCommands:\n";
  for (const Command& command : kCommands) {
    out << "  " << std::left << std::setw(12) << command.name << command.help << '\n';
  }
  out << "  version     Print the version\n\n"
         "levada COMMAND --help says more. Exit codes: 0 good, 1 failed, 2 wrong use or "
         "manifest.\n";
}

int Main(int argc, char** argv) {
  const std::vector<std::string_view> args(argv + 1, argv + argc);
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
    if (command.name == args[0]) return command.run(std::span(args).subspan(1));
    names.push_back(command.name);
  }
  if (args[0] == "commands") {  // for the completion scripts
    for (std::string_view name : names) std::cout << name << '\n';
    return kOk;
  }
  std::cerr << "levada: there is no command \"" << args[0] << '"'
            << base::DidYouMean(args[0], names) << "\nlevada --help lists the commands\n";
  return kWrongUse;
}

}  // namespace
}  // namespace levada::cli

int main(int argc, char** argv) { return levada::cli::Main(argc, argv); }
