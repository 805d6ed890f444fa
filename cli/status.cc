#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "cli/target/find.h"
#include "cli/terminal.h"
#include "core/base/strings.h"
#include "core/base/units.h"

namespace levada::cli {
namespace {

using Targets = std::vector<std::unique_ptr<Target>>;

absl::StatusOr<Targets> Find(const Where& where, const std::string& name) {
  if (name.empty()) return FindTargets(where);
  Targets targets;
  auto target = FindTarget(where, name, Ended::kToo);
  if (!target.ok()) return target.status();
  targets.push_back(*std::move(target));
  return targets;
}

// All of them, with their rates where there is something to compare with. Not OK: none answers.
absl::StatusOr<std::vector<PipelineView>> Look(const Targets& targets, ViewRates* rates) {
  std::vector<PipelineView> views;
  absl::Status failed;
  for (const auto& target : targets) {
    auto view = target->View();
    if (!view.ok()) {
      failed.Update(view.status());
      continue;
    }
    rates->Update(&*view);
    views.push_back(*std::move(view));
  }
  if (views.empty() && !failed.ok()) return failed;
  return views;
}

std::string AsJson(const std::vector<PipelineView>& views, bool one, int indent) {
  if (one) return ToJson(views.front()).dump(indent) + "\n";
  nlohmann::json all = nlohmann::json::array();
  for (const PipelineView& view : views) all.push_back(ToJson(view));
  return all.dump(indent) + "\n";
}

bool AllReady(const std::vector<PipelineView>& views) {
  return std::all_of(views.begin(), views.end(), [](const auto& view) { return view.ready; });
}

struct Flags {
  Where where;
  std::string name;
  std::string interval = "2s";
  int times = 0;
  bool json = false;
  bool watch = false;
};

std::string CheckInterval(const std::string& text) {
  const auto interval = base::ParseDuration(text);
  if (!interval.ok()) return std::string(interval.status().message());
  return interval->count() < 100 ? "at least 100ms" : "";
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("NAME", flags.name, "Pipeline; without it all of them");
  AddWhere(app, flags.where);
  AddAllNamespaces(app, flags.where);
  app.add_flag("--json", flags.json, "For machines");
  app.add_option("--interval", flags.interval, "Time between two looks")
      ->check(CheckInterval)
      ->capture_default_str();
}

using Render = std::function<std::string(const std::vector<PipelineView>&, int width)>;

int Watch(const Flags& flags, const Targets& targets, ViewRates& rates, bool skip_first,
          const Render& render) {
  const std::chrono::milliseconds interval = *base::ParseDuration(flags.interval);
  absl::Status failed;
  if (skip_first) {  // rates need two looks
    failed = Look(targets, &rates).status();
    if (!failed.ok()) return Complain(failed);
    std::this_thread::sleep_for(std::min(interval, std::chrono::milliseconds(1000)));
  }
  ShowAgain(interval, flags.times, [&](int width, std::string* text) {
    const auto views = Look(targets, &rates);
    if (!views.ok() && width == 0) failed = views.status();
    if (!failed.ok()) return false;
    *text = !views.ok()  ? base::StrCat(base::View(views.status().message()), "\n")
            : flags.json ? AsJson(*views, !flags.name.empty(), -1)
                         : render(*views, width);
    return true;
  });
  return failed.ok() ? kOk : Complain(failed);
}

std::string RenderStatus(const std::vector<PipelineView>& views, bool one, int width) {
  if (views.empty()) return "no pipelines\n";
  return one ? RenderAll(views.front(), width) : RenderList(views, width);
}

std::string RenderTop(const std::vector<PipelineView>& views, int width) {
  std::string text;
  for (const PipelineView& view : views) {
    base::StrAppend(&text, text.empty() ? "" : "\n", RenderHeader(view, width),
                    RenderStages(view, width));
  }
  return text.empty() ? "no pipelines\n" : text;
}

}  // namespace

int RunStatus(std::span<const std::string_view> args) {
  CLI::App app(
      "Says how pipelines are: of levada run on this machine, or of a cluster.\n"
      "Exit code 0: all that are shown are ready; 1: not, or they could not be asked.",
      "levada status");
  Flags flags;
  AddFlags(app, flags);
  app.add_flag("-w,--watch", flags.watch, "Again and again, until Ctrl-C");
  if (auto code = Parse(app, args)) return *code;
  const auto targets = Find(flags.where, flags.name);
  if (!targets.ok()) return Complain(targets.status());
  const bool one = !flags.name.empty();
  ViewRates rates;
  if (flags.watch) {
    return Watch(flags, *targets, rates, false,
                 [&](const auto& views, int width) { return RenderStatus(views, one, width); });
  }
  const auto views = Look(*targets, &rates);
  if (!views.ok()) return Complain(views.status());
  std::cout << (flags.json ? AsJson(*views, one, 2) : RenderStatus(*views, one, TerminalWidth()));
  return AllReady(*views) && views->size() == targets->size() ? kOk : kFailed;
}

int RunTop(std::span<const std::string_view> args) {
  CLI::App app(
      "Shows what the stages of pipelines do just now: events a second, lag, latency.\n"
      "On a cluster the numbers are those of the operator, which has new ones every few seconds.",
      "levada top");
  Flags flags;
  AddFlags(app, flags);
  app.add_option("--times", flags.times, "Ends after so many looks; 0: on Ctrl-C")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  if (auto code = Parse(app, args)) return *code;
  const auto targets = Find(flags.where, flags.name);
  if (!targets.ok()) return Complain(targets.status());
  ViewRates rates;
  return Watch(flags, *targets, rates, true, RenderTop);
}

}  // namespace levada::cli
