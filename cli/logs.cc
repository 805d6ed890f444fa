#include <algorithm>
#include <iostream>

#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "cli/target/find.h"
#include "cli/target/log_line.h"
#include "core/base/strings.h"
#include "core/base/units.h"

namespace levada::cli {
namespace {

// Lines of several workers in the order of their times; those without one stay behind the one
// before them.
class InOrder {
 public:
  void Add(const std::string& worker, int64_t time, std::string text) {
    int64_t& last = last_[worker];
    last = std::max(last, time);
    lines_.emplace_back(last, std::move(text));
  }
  void Print() {
    std::stable_sort(lines_.begin(), lines_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [time, text] : lines_) std::cout << text;
    std::cout << std::flush;
  }

 private:
  std::map<std::string, int64_t> last_;
  std::vector<std::pair<int64_t, std::string>> lines_;
};

std::string Prefix(const LogLine& line, const std::string& only_stage) {
  const std::string stage = only_stage.empty() ? line.stage : "";
  if (line.worker.empty()) return stage.empty() ? "" : base::StrCat(stage, " | ");
  // A pod's name begins with its pipeline's and stage's: what tells it from others is its end.
  return base::StrCat(line.stage, line.stage.empty() ? "" : "/",
                      line.worker.substr(line.worker.rfind('-') + 1), " | ");
}

struct Flags {
  Where where;
  std::string name;
  LogOptions options;
  std::string since;
  std::string tail = "100";
  bool raw = false;
};

std::string CheckTail(const std::string& text) {
  const bool number =
      !text.empty() && text.size() < 9 &&
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number || text == "all" ? "" : "a number of lines, or all";
}

std::string CheckDuration(const std::string& text) {
  const auto duration = base::ParseDuration(text);
  return duration.ok() ? "" : std::string(duration.status().message());
}

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("NAME", flags.name, "Pipeline; may be left out where there is one only");
  app.add_option("--stage", flags.options.stage, "This stage alone");
  app.add_flag("-f,--follow", flags.options.follow, "Also what comes, and from workers that come");
  app.add_option("--since", flags.since, "Nothing older: 10m, 2h")->check(CheckDuration);
  app.add_option("--tail", flags.tail, "Newest lines of each worker; all")
      ->check(CheckTail)
      ->capture_default_str();
  app.add_flag("--raw", flags.raw, "The lines as they were written: JSON");
  AddWhere(app, flags.where);
}

}  // namespace

int RunLogs(std::span<const std::string_view> args) {
  CLI::App app(
      "Prints the logs of a pipeline's workers, each line with its stage. Also those of a run on\n"
      "this machine that was killed.",
      "levada logs");
  Flags flags;
  AddFlags(app, flags);
  if (auto code = Parse(app, args)) return *code;
  LogOptions& options = flags.options;
  options.tail = flags.tail == "all" ? -1 : std::stoi(flags.tail);
  if (!flags.since.empty()) {
    options.since = std::chrono::ceil<std::chrono::seconds>(*base::ParseDuration(flags.since));
  }
  auto target = FindTarget(flags.where, flags.name, Ended::kToo);
  if (!target.ok()) return Complain(target.status());
  InOrder in_order;
  const absl::Status read = (*target)->Logs(
      options,
      [&](const LogLine& line) {
        std::string text =
            flags.raw ? base::StrCat(line.text, "\n")
                      : base::StrCat(Prefix(line, options.stage), Readable(line.text), "\n");
        if (options.follow) {
          std::cout << text << std::flush;
          if (!std::cout) std::exit(kOk);  // whoever read it has gone
        } else {
          in_order.Add(line.stage + line.worker, TimeOf(line.text), std::move(text));
        }
      },
      std::stop_token());
  in_order.Print();
  return read.ok() ? kOk : Complain(read);
}

}  // namespace levada::cli
