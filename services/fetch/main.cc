// levada-fetch: brings the files of a pipeline that are in buckets. On a cluster it is the init
// container of stages that name such files, so that workers neither have the keys of buckets nor
// wait for them.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/files/fetch.h"
#include "core/pipeline/manifest.h"

namespace levada {
namespace {

constexpr int kFailed = 1;
constexpr int kWrongUse = 2;

struct Flags {
  std::string pipeline;
  std::string to;
  std::string secrets_dir;
  std::string files_dir;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--pipeline", flags.pipeline, "Manifest (or slice) with the files")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--to", flags.to, "Folder that they are fetched into")->required();
  app.add_option("--secrets", flags.secrets_dir, "Folder of secrets: <folder>/<secret>/<key>")
      ->envname("LEVADA_SECRETS");
  app.add_option("--files", flags.files_dir,
                 "Folder that relative files of the manifest are in (default: the manifest's)");
}

std::atomic<bool> stopped = false;

// SIGTERM and SIGINT end the wait for a server that does not answer.
void StopOnSignal() {
  struct sigaction action {};
  action.sa_handler = [](int) { stopped = true; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int Run(const Flags& flags) {
  StopOnSignal();
  std::stringstream text;
  text << std::ifstream(flags.pipeline).rdbuf();
  const auto pipeline = pipeline::LoadPipeline(text.str(), flags.pipeline);
  if (!pipeline.ok()) {
    std::cerr << pipeline.status().message() << '\n';
    return kWrongUse;
  }
  const std::string files_dir = flags.files_dir.empty()
                                    ? std::filesystem::path(flags.pipeline).parent_path().string()
                                    : flags.files_dir;
  const absl::Status status =
      files::FetchFiles(*pipeline, base::Secrets(flags.secrets_dir),
                        {.folder = flags.to,
                         .files_dir = files_dir,
                         .tell = [](const std::string& line) { std::cerr << line << std::endl; },
                         .stopped = [] { return stopped.load(); }});
  if (status.ok()) return 0;
  std::cerr << status.message() << '\n';
  return kFailed;
}

}  // namespace
}  // namespace levada

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  CLI::App app("Fetches the files of a Levada pipeline that come from buckets.", "levada-fetch");
  levada::Flags flags;
  levada::AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : levada::kWrongUse;
  }
  return levada::Run(flags);
}
