#include <iostream>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "core/base/counted.h"
#include "core/pipeline/check.h"
#include "core/pipeline/manifest.h"

namespace levada::cli {

int RunValidate(std::span<const std::string_view> args) {
  CLI::App app("Checks manifests: every problem at once, each with its place.", "levada validate");
  std::vector<std::string> files;
  std::vector<std::string> overrides;
  bool quiet = false;
  app.add_option("FILE", files, "Manifests; - is standard input")->required();
  app.add_flag("-q,--quiet", quiet, "Only problems");
  AddOverrides(app, overrides);
  if (auto code = Parse(app, args)) return *code;
  bool good = true;
  for (const std::string& file : files) {
    auto pipelines = LoadAll({file, overrides});
    good = good && pipelines.has_value();
    if (!pipelines || quiet) continue;
    for (const v1::Pipeline& pipeline : *pipelines) {
      std::cout << file << ": " << pipeline.metadata().name() << ": "
                << base::Counted(pipeline.spec().topics_size(), "topic") << ", "
                << base::Counted(pipeline.spec().stages_size(), "stage") << ": good\n";
    }
  }
  return good ? kOk : kWrongUse;
}

}  // namespace levada::cli
