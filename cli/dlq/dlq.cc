// levada dlq: the dead letters of a pipeline.

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/dlq/letters.h"
#include "cli/dlq/replay.h"
#include "cli/dlq/summary.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "cli/target/find.h"
#include "cli/target/table.h"
#include "cli/terminal.h"
#include "core/base/strings.h"
#include "core/base/suggest.h"
#include "core/base/time.h"
#include "core/base/units.h"
#include "core/kafka/admin.h"
#include "core/pipeline/plan.h"

namespace levada::cli {
namespace {

constexpr std::chrono::seconds kReachKafka{10};

struct Flags {
  Where where;
  std::string pipeline;  // a file or a name
  Source source;
  std::string name;  // of several in a file
  std::string brokers;
  std::string secrets_dir;
  std::string stage;
  std::string reason;
  std::string since;
  std::string older_than;
  std::string limit;
  bool json = false;
  bool yes = false;
  bool dry_run = false;
};

// What the file or the name stands for, and its dead-letter topic.
struct Dead {
  OnKafka on_kafka;
  std::string topic;
  std::string pipeline;
};

void AddCommon(CLI::App& app, Flags& flags) {
  app.add_option("PIPELINE", flags.pipeline,
                 "Manifest, or the name of a pipeline that runs on this machine or a cluster")
      ->required();
  app.add_option("--kafka", flags.brokers,
                 "Kafka brokers (host:port,…): of a manifest without connection `kafka` (default: "
                 "$LEVADA_KAFKA, 127.0.0.1:9092); with a name, as they are reached from here");
  app.add_option("--secrets", flags.secrets_dir,
                 "With a manifest: folder of secrets, <folder>/<secret>/<key>")
      ->envname("LEVADA_SECRETS");
  app.add_option("--name", flags.name, "With a manifest: which pipeline of the file");
  AddOverrides(app, flags.source.overrides);
  AddWhere(app, flags.where);
}

std::string CheckDuration(const std::string& text) {
  const auto duration = base::ParseDuration(text);
  return duration.ok() ? "" : std::string(duration.status().message());
}

void AddFilter(CLI::App& app, Flags& flags) {
  app.add_option("--stage", flags.stage, "Of this stage alone");
  app.add_option("--reason", flags.reason, "Whose error has this regular expression (RE2)");
  app.add_option("--since", flags.since, "Nothing older: 10m, 2h")->check(CheckDuration);
}

int64_t BeforeNow(const std::string& duration) {
  return base::NowMicros() / 1000 - base::ParseDuration(duration)->count();
}

bool IsFile(const std::string& text) {
  std::error_code ignored;
  return text == "-" || text.find('/') != std::string::npos || text.ends_with(".yaml") ||
         text.ends_with(".yml") || text.ends_with(".json") ||
         std::filesystem::exists(text, ignored);
}

// A value is the exit code to end with.
std::optional<int> OfFile(Flags& flags, OnKafka* on_kafka) {
  flags.source.file = flags.pipeline;
  const auto pipeline = LoadOne(flags.source, flags.name);
  if (!pipeline) return kWrongUse;
  on_kafka->pipeline = pipeline::Compile(*pipeline).pipeline;
  auto config = kafka::ConfigFor(on_kafka->pipeline, BrokersFor(flags.brokers),
                                 base::Secrets(flags.secrets_dir), FilesDir(flags.source));
  if (!config.ok()) return Fail(base::View(config.status().message()));
  on_kafka->config = *std::move(config);
  return std::nullopt;
}

std::optional<int> OfName(const Flags& flags, OnKafka* on_kafka) {
  if (!flags.source.overrides.empty() || !flags.name.empty()) {
    std::cerr << "levada dlq: --set and --name go with a manifest, and " << flags.pipeline
              << " is a name\n";
    return kWrongUse;
  }
  auto target = FindTarget(flags.where, flags.pipeline, Ended::kToo);
  if (!target.ok()) return Complain(target.status());
  auto found = (*target)->Kafka(flags.brokers);
  if (!found.ok()) return Complain(found.status());
  *on_kafka = *std::move(found);
  return std::nullopt;
}

std::optional<int> Reach(Flags& flags, Dead* dead) {
  const auto code =
      IsFile(flags.pipeline) ? OfFile(flags, &dead->on_kafka) : OfName(flags, &dead->on_kafka);
  if (code) return code;
  dead->topic = pipeline::DeadLetterTopic(dead->on_kafka.pipeline);
  dead->pipeline = dead->on_kafka.pipeline.metadata().name();
  if (!flags.stage.empty() &&
      pipeline::FindStage(dead->on_kafka.pipeline, flags.stage) == nullptr) {
    std::cerr << "note: " << dead->pipeline << " has no stage " << flags.stage
              << " now; letters of an earlier one are looked for\n";
  }
  auto admin = kafka::Admin::Create(dead->on_kafka.config);
  if (!admin.ok()) return Fail(base::View(admin.status().message()));
  if (absl::Status reached = (*admin)->WaitForBroker(kReachKafka); !reached.ok()) {
    return Fail(base::StrCat(base::View(reached.message()),
                             ". If it is reached by another address from here: --kafka HOST:PORT"));
  }
  return std::nullopt;
}

// No topic: nothing has gone wrong yet.
absl::Status Read(const Dead& dead, Replayed* replayed, std::map<int32_t, int64_t>* ends,
                  const std::function<void(const Letter&)>& visit) {
  const absl::Status read = ReadLetters(dead.on_kafka.config, dead.topic, replayed, ends, visit);
  return absl::IsNotFound(read) ? absl::OkStatus() : read;
}

bool Confirmed(const Flags& flags, const std::string& question) {
  if (flags.yes) return true;
  if (isatty(STDIN_FILENO) == 0) {
    std::cerr << question << "\nnot done: nobody can be asked here; say --yes\n";
    return false;
  }
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

void PrintList(const Dead& dead, const Summary& summary) {
  std::cout << dead.topic << ": " << summary.total() << " dead letters, " << summary.replayed()
            << " of them sent again\n";
  if (summary.total() == 0) return;
  Table table({{"STAGE"},
               {"COUNT", Align::kRight},
               {"AGAIN", Align::kRight},
               {"NEWEST", Align::kRight},
               {"FROM"},
               {"REASON"}});
  const int64_t now = base::NowMicros();
  for (const Summary::Group& group : summary.Groups()) {
    table.Add({group.stage, base::StrCat(group.count), base::StrCat(group.replayed),
               AgeCell(base::FormatTimestamp(group.newest_ms * 1000), now), group.topic,
               group.count == 1 ? group.example : group.reason});
  }
  std::cout << '\n' << table.Render(TerminalWidth());
}

void PrintListJson(const Dead& dead, const Summary& summary) {
  nlohmann::json groups = nlohmann::json::array();
  for (const Summary::Group& group : summary.Groups()) {
    groups.push_back({{"stage", group.stage},
                      {"topic", group.topic},
                      {"reason", group.reason},
                      {"example", group.example},
                      {"count", group.count},
                      {"replayed", group.replayed},
                      {"oldest", base::FormatTimestamp(group.oldest_ms * 1000)},
                      {"newest", base::FormatTimestamp(group.newest_ms * 1000)}});
  }
  const nlohmann::json all = {{"topic", dead.topic},
                              {"total", summary.total()},
                              {"replayed", summary.replayed()},
                              {"groups", std::move(groups)}};
  std::cout << all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

absl::StatusOr<Filter> FilterOf(const Flags& flags, const Dead& dead) {
  return Filter::Create(dead.pipeline, flags.stage, flags.reason,
                        flags.since.empty() ? 0 : BeforeNow(flags.since));
}

int List(std::span<const std::string_view> args) {
  CLI::App app(
      "Counts dead letters by stage and reason, the newest first. Numbers and quoted texts of a\n"
      "reason are left out, so that records which went wrong alike are counted together.",
      "levada dlq list");
  Flags flags;
  AddCommon(app, flags);
  AddFilter(app, flags);
  app.add_flag("--json", flags.json, "For machines");
  if (auto code = Parse(app, args)) return *code;
  Dead dead;
  if (auto code = Reach(flags, &dead)) return *code;
  const auto filter = FilterOf(flags, dead);
  if (!filter.ok()) return Complain(filter.status());
  Summary summary;
  Replayed replayed;
  std::map<int32_t, int64_t> ends;
  const absl::Status read = Read(dead, &replayed, &ends, [&](const Letter& letter) {
    if (filter->Takes(letter)) summary.Add(letter);
  });
  if (!read.ok()) return Complain(read);
  summary.Count(replayed);
  flags.json ? PrintListJson(dead, summary) : PrintList(dead, summary);
  return kOk;
}

size_t LimitOf(const std::string& text) { return text == "all" ? 0 : std::stoul(text); }

std::string CheckLimit(const std::string& text) {
  const bool number = !text.empty() && text.size() < 10 && text != "0" &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return number || text == "all" ? "" : "a number, or all";
}

int Show(std::span<const std::string_view> args) {
  CLI::App app(
      "Prints dead letters, the newest first: a JSON object a line with the record as it came and\n"
      "why it could not be processed.",
      "levada dlq show");
  Flags flags{.limit = "10"};
  AddCommon(app, flags);
  AddFilter(app, flags);
  app.add_option("--limit", flags.limit, "So many; all")->check(CheckLimit)->capture_default_str();
  if (auto code = Parse(app, args)) return *code;
  Dead dead;
  if (auto code = Reach(flags, &dead)) return *code;
  const auto filter = FilterOf(flags, dead);
  if (!filter.ok()) return Complain(filter.status());
  Newest newest(LimitOf(flags.limit));
  Replayed replayed;
  std::map<int32_t, int64_t> ends;
  const absl::Status read = Read(dead, &replayed, &ends, [&](const Letter& letter) {
    if (filter->Takes(letter)) newest.Add(letter);
  });
  if (!read.ok()) return Complain(read);
  for (const nlohmann::json& letter : newest.Take(replayed)) std::cout << letter.dump() << '\n';
  return kOk;
}

void PrintPlan(const ReplayPlan& plan) {
  for (const ReplayPlan::Route& route : plan.routes) {
    std::cout << "  " << route.count << " of stage " << route.stage << " to " << route.topic
              << '\n';
  }
  if (plan.replayed > 0) std::cout << "  " << plan.replayed << " were sent again before\n";
  for (const auto& [why, count] : plan.left_out) {
    std::cout << "  " << count << " cannot be sent again: " << why << '\n';
  }
}

int Replay(std::span<const std::string_view> args) {
  CLI::App app(
      "Sends dead letters back to the topics that they came from, as they were: bytes, key and\n"
      "headers. Each is sent once, however often this is done.",
      "levada dlq replay");
  Flags flags{.limit = "all"};
  AddCommon(app, flags);
  AddFilter(app, flags);
  app.add_option("--limit", flags.limit, "The oldest so many; all")
      ->check(CheckLimit)
      ->capture_default_str();
  app.add_flag("--dry-run", flags.dry_run, "Says what would be sent, and sends nothing");
  app.add_flag("-y,--yes", flags.yes, "Also where others than the stage get the records again");
  if (auto code = Parse(app, args)) return *code;
  Dead dead;
  if (auto code = Reach(flags, &dead)) return *code;
  const auto filter = FilterOf(flags, dead);
  if (!filter.ok()) return Complain(filter.status());
  cli::Replay replay(dead.on_kafka, *filter, static_cast<int64_t>(LimitOf(flags.limit)));
  const auto plan = replay.Prepare();
  if (!plan.ok() && !absl::IsNotFound(plan.status())) return Complain(plan.status());
  const ReplayPlan nothing;
  const ReplayPlan& prepared = plan.ok() ? *plan : nothing;
  std::cout << dead.topic << ": " << prepared.total << " dead letters to send again\n";
  PrintPlan(prepared);
  for (const std::string& warning : prepared.warnings) std::cout << "  ! " << warning << '\n';
  std::cout << std::flush;
  if (flags.dry_run || prepared.total == 0) return kOk;
  if (!prepared.warnings.empty() && !Confirmed(flags, "Send them all the same?")) return kWrongUse;
  const auto sent = replay.Send([](int64_t) {});
  if (!sent.ok()) return Complain(sent.status());
  std::cout << *sent << " sent\n";
  return kOk;
}

int Purge(std::span<const std::string_view> args) {
  CLI::App app(
      "Deletes dead letters for good: all that there are now, or the older ones. Asks first.",
      "levada dlq purge");
  Flags flags;
  AddCommon(app, flags);
  app.add_option("--older-than", flags.older_than, "Only what is older: 7d, 12h")
      ->check(CheckDuration);
  app.add_flag("-y,--yes", flags.yes, "Does not ask");
  if (auto code = Parse(app, args)) return *code;
  Dead dead;
  if (auto code = Reach(flags, &dead)) return *code;
  const int64_t until =
      flags.older_than.empty() ? std::numeric_limits<int64_t>::max() : BeforeNow(flags.older_than);
  Summary summary;
  Replayed replayed;
  std::map<int32_t, int64_t> ends;
  std::map<int32_t, int64_t> before;
  int64_t others = 0;
  const absl::Status read = Read(dead, &replayed, &ends, [&](const Letter& letter) {
    const Record& record = *letter.record;
    // Kafka deletes from the beginning: what stands behind a newer one stays.
    if (record.timestamp_ms >= until) before.try_emplace(record.partition, record.offset);
    if (before.contains(record.partition)) return;
    if (letter.pipeline != dead.pipeline) ++others;
    summary.Add(letter);
  });
  if (!read.ok()) return Complain(read);
  summary.Count(replayed);
  if (summary.total() == 0) {
    std::cout << dead.topic << ": nothing to delete\n";
    return kOk;
  }
  std::string question =
      base::StrCat("Delete ", summary.total(), " dead letters of ", dead.topic, " for good, ",
                   summary.total() - summary.replayed(), " of which were not sent again?");
  if (others > 0) base::StrAppend(&question, " ", others, " are of other pipelines.");
  if (!Confirmed(flags, question)) return kWrongUse;
  for (const auto& [partition, end] : ends) before.try_emplace(partition, end);
  auto admin = kafka::Admin::Create(dead.on_kafka.config);
  if (!admin.ok()) return Complain(admin.status());
  const absl::Status deleted = (*admin)->DeleteRecords(dead.topic, before);
  if (!deleted.ok()) return Complain(deleted);
  std::cout << summary.total() << " deleted\n";
  return kOk;
}

struct Command {
  std::string_view name;
  std::string_view help;
  int (*run)(std::span<const std::string_view>);
};

constexpr Command kCommands[] = {
    {"list", "Count them by stage and reason", List},
    {"show", "Print them with their reasons", Show},
    {"replay", "Send them back to where they came from, each once", Replay},
    {"purge", "Delete them", Purge},
};

void PrintHelp(std::ostream& out) {
  const std::string program = IsPlugin() ? "kubectl levada dlq" : "levada dlq";
  out << "Dead letters: records that a pipeline could not process.\n\nUsage: " << program
      << " COMMAND PIPELINE [ARGUMENTS]\n\nCommands:\n";
  for (const Command& command : kCommands) {
    out << "  " << command.name << std::string(10 - command.name.size(), ' ') << command.help
        << '\n';
  }
  out << '\n' << program << " COMMAND --help says more.\n";
}

}  // namespace

int RunDlq(std::span<const std::string_view> args) {
  if (args.empty() || args[0] == "--help" || args[0] == "-h") {
    PrintHelp(args.empty() ? std::cerr : std::cout);
    return args.empty() ? kWrongUse : kOk;
  }
  std::vector<std::string_view> names;
  for (const Command& command : kCommands) {
    if (command.name == args[0]) return command.run(args.subspan(1));
    names.push_back(command.name);
  }
  std::cerr << "levada dlq: there is no command \"" << args[0] << '"'
            << base::DidYouMean(args[0], names) << "\nlevada dlq --help lists the commands\n";
  return kWrongUse;
}

}  // namespace levada::cli
