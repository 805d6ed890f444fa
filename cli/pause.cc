#include <iostream>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "cli/target/find.h"

namespace levada::cli {
namespace {

int SetPaused(CLI::App& app, std::span<const std::string_view> args, bool paused) {
  Where where;
  std::string name;
  std::string stage;
  app.add_option("NAME", name, "Pipeline; may be left out where there is one only");
  app.add_option("--stage", stage,
                 "This stage alone: on this machine; a cluster's pipeline is "
                 "paused as a whole");
  AddWhere(app, where);
  if (auto code = Parse(app, args)) return *code;
  auto target = FindTarget(where, name, Ended::kNo);
  if (!target.ok()) return Complain(target.status());
  const auto done = (*target)->SetPaused(paused, stage);
  if (!done.ok()) return Complain(done.status());
  std::cout << *done << " (" << (*target)->Where() << ")\n";
  return kOk;
}

}  // namespace

int RunPause(std::span<const std::string_view> args) {
  CLI::App app(
      "Stops a pipeline from taking events in, until levada resume. What is under way is "
      "finished,\n"
      "and nothing is lost: events wait in Kafka. On a cluster the workers end (spec.paused), on\n"
      "this machine they stay, and HTTP and gRPC clients of an ingest stage are answered 503.",
      "levada pause");
  return SetPaused(app, args, true);
}

int RunResume(std::span<const std::string_view> args) {
  CLI::App app("Lets a pipeline that was paused go on.", "levada resume");
  return SetPaused(app, args, false);
}

}  // namespace levada::cli
