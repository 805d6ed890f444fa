#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iostream>

#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "cli/programs.h"
#include "core/base/strings.h"
#include "core/pipeline/manifest.h"

namespace levada::cli {
namespace {

// A file that is gone as soon as the service has read it: its descriptor goes along.
absl::StatusOr<std::string> KeepSlice(const std::string& text) {
  char path[] = "/tmp/levada-slice-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) return absl::UnavailableError("cannot write to /tmp");
  unlink(path);
  if (write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return absl::UnavailableError("cannot write to /tmp");
  }
  return base::StrCat("/proc/self/fd/", file);
}

}  // namespace

int RunPipe(std::span<const std::string_view> args) {
  CLI::App app(
      "One stage's work from standard input to standard output, without Kafka.\n"
      "Records are NDJSON, or CSV with a header. What the stage would send on goes to standard\n"
      "output, dead letters with their reason to standard error; exit code 1 if there were any.",
      "levada pipe");
  Source source;
  std::string name;
  std::string stage;
  std::string secrets;
  std::string programs;
  app.add_option("FILE", source.file, "Manifest")->required();
  app.add_option("--stage", stage, "Stage to run")->required();
  app.add_option("--name", name, "Which pipeline of the file");
  app.add_option("--secrets", secrets, "Folder of secrets: <folder>/<secret>/<key>")
      ->envname("LEVADA_SECRETS");
  app.add_option("--programs", programs, "Folder of the services' programs");
  std::string from = "ndjson";
  std::string to = "ndjson";
  std::string fields;
  app.add_option("--from", from, "What comes in: ndjson, or csv with a header (default: ndjson)")
      ->check(CLI::IsMember({"ndjson", "csv"}));
  app.add_option("--to", to, "What goes out: ndjson, or csv with --fields (default: ndjson)")
      ->check(CLI::IsMember({"ndjson", "csv"}));
  app.add_option("--fields", fields, "With --to csv: the fields of a row, with commas between");
  AddOverrides(app, source.overrides);
  if (auto code = Parse(app, args)) return *code;
  if (source.file == "-") {
    std::cerr << "levada pipe: standard input is for the records; the manifest must be a file\n";
    return kWrongUse;
  }
  if ((to == "csv") == fields.empty()) {
    std::cerr << "levada pipe: --to csv needs --fields, and --fields is for --to csv\n";
    return kWrongUse;
  }
  auto pipeline = LoadOne(source, name);
  if (!pipeline) return kWrongUse;
  if (absl::Status status =
          FetchFiles({.folder = base::StrCat(".levada/", pipeline->metadata().name(), "/files"),
                      .files_dir = FilesDir(source),
                      .secrets_dir = secrets},
                     &*pipeline);
      !status.ok()) {
    return Fail(base::View(status.message()));
  }
  const pipeline::Plan plan = pipeline::Compile(*pipeline);
  std::string names;
  for (const pipeline::PlannedStage& planned : plan.stages) {
    base::StrAppend(&names, names.empty() ? "" : ", ", planned.name);
    if (planned.name != stage) continue;
    const auto program = FindProgram(planned.service, programs);
    if (!program.ok()) return Fail(base::View(program.status().message()));
    const auto slice = KeepSlice(planned.slice_yaml);
    if (!slice.ok()) return Fail(base::View(slice.status().message()));
    const std::string files = FilesDir(source);
    // Without fields the last two are not there.
    const char* const with_fields = fields.empty() ? nullptr : "--fields";
    execl(program->c_str(), planned.service.c_str(), "--pipe", "--pipeline", slice->c_str(),
          "--stage", stage.c_str(), "--files", files.c_str(), "--secrets", secrets.c_str(),
          "--from", from.c_str(), "--to", to.c_str(), with_fields, fields.c_str(), nullptr);
    return Fail(base::StrCat(*program, ": ", strerror(errno)));
  }
  std::cerr << source.file << " has no stage '" << stage << "'; its stages are " << names << '\n';
  return kWrongUse;
}

}  // namespace levada::cli
