// levada run: carries out a plan with processes.

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <thread>

#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/flags.h"
#include "cli/load.h"
#include "cli/programs.h"
#include "cli/run/table.h"
#include "cli/target/registry.h"
#include "core/base/address.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "core/kafka/topics.h"
#include "core/pipeline/manifest.h"

namespace levada::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kEndStage{40'000};  // for a stage to drain
constexpr seconds kCatchUp{30};            // for the stages behind it to read the rest
constexpr seconds kPlainTableEvery{10};    // where there is no terminal

std::atomic<int> interrupts{0};

void OnInterrupt(int) { ++interrupts; }

struct Flags {
  Source source;
  std::string name;
  RunOptions options;
  bool json = false;
  bool no_wait = false;
};

// Stages in the order in which records pass them: sources first.
std::vector<std::vector<size_t>> Levels(const pipeline::Plan& plan) {
  std::vector<std::vector<size_t>> levels;
  std::set<size_t> placed;
  while (placed.size() < plan.stages.size()) {
    std::vector<size_t> level;
    for (size_t i = 0; i < plan.stages.size(); ++i) {
      if (placed.contains(i)) continue;
      // Ready when every stage that writes its input is placed.
      bool ready = true;
      for (size_t j = 0; j < plan.stages.size(); ++j) {
        if (placed.contains(j) || j == i) continue;
        for (const std::string& output : plan.stages[j].outputs) {
          ready = ready && output != plan.stages[i].input;
        }
      }
      if (ready) level.push_back(i);
    }
    if (level.empty()) break;  // a cycle: the checks do not let it come here
    placed.insert(level.begin(), level.end());
    levels.push_back(std::move(level));
  }
  return levels;
}

// Ports that two stages of one machine would both listen on.
std::string PortClash(const v1::Pipeline& pipeline) {
  std::map<uint32_t, std::string> taken;
  std::string clashes;
  const auto take = [&](uint32_t port, const std::string& owner, const std::string& path) {
    const auto [found, fresh] = taken.emplace(port, owner);
    if (!fresh) {
      base::StrAppend(&clashes, "stages ", found->second, " and ", owner, " both listen on port ",
                      port, ": give one another port, for example with --set ", path, "=",
                      port + 100, "\n");
    }
  };
  for (const v1::Stage& stage : pipeline.spec().stages()) {
    const std::string path = base::StrCat("spec.stages[name=", stage.name(), "].");
    const v1::Ingest& ingest = stage.ingest();
    if (ingest.has_http()) take(ingest.http().port(), stage.name(), path + "ingest.http.port");
    if (ingest.has_grpc()) take(ingest.grpc().port(), stage.name(), path + "ingest.grpc.port");
    if (!stage.scoring().has_serve()) continue;
    take(stage.scoring().serve().port(), stage.name(), path + "scoring.serve.port");
    take(stage.scoring().serve().grpc_port(), stage.name(), path + "scoring.serve.grpcPort");
  }
  return clashes;
}

absl::Status PrepareTopics(const pipeline::Plan& plan, const kafka::ClientConfig& config) {
  auto admin = kafka::Admin::Create(config);
  if (!admin.ok()) return admin.status();
  std::cerr << "waiting for Kafka at " << config.brokers << " … " << std::flush;
  absl::Status reached;
  do {
    reached = (*admin)->WaitForBroker(seconds(5));
    if (!reached.ok()) std::cerr << "." << std::flush;
  } while (!reached.ok() && interrupts == 0);
  if (!reached.ok()) return reached;
  std::cerr << "there\n";
  const std::vector<kafka::NewTopic> wanted = TopicsOf(plan);
  std::vector<std::string> names;
  for (const kafka::NewTopic& topic : wanted) names.push_back(topic.name);
  auto have = (*admin)->Describe(names);
  if (!have.ok()) return have.status();
  const auto changes = kafka::Compare(wanted, *have);
  for (const kafka::TopicChange& change : changes) std::cerr << "  " << change.text << '\n';
  return kafka::Apply(changes, admin->get());
}

// For `levada status` and the like. The manifest as it runs, --set applied, goes beside the logs.
absl::StatusOr<RunRecord> RecordOf(const v1::Pipeline& manifest, const pipeline::Plan& plan,
                                   const RunOptions& options) {
  const auto absolute = [](const std::string& folder) {
    return folder.empty() ? "" : std::filesystem::absolute(folder).lexically_normal().string();
  };
  RunRecord record;
  record.pipeline = plan.pipeline.metadata().name();
  record.name_space = plan.pipeline.metadata().namespace_();
  if (record.name_space.empty()) record.name_space = "default";
  record.started = base::FormatTimestamp(base::NowMicros());
  record.state_dir = absolute(options.state_dir);
  record.files_dir = absolute(options.files_dir);
  record.secrets_dir = absolute(options.secrets_dir);
  record.brokers = options.brokers;
  for (const pipeline::PlannedStage& stage : plan.stages) {
    record.stages.push_back({.name = stage.name, .kind = stage.kind});
  }
  std::ofstream out(record.manifest_file());
  out << pipeline::ToYaml(manifest);
  out.close();
  if (!out) return absl::UnavailableError(base::StrCat("cannot write ", record.manifest_file()));
  return record;
}

class Runner {
 public:
  Runner(const Flags& flags, pipeline::Plan plan, RunRecord record)
      : flags_(flags),
        plan_(std::move(plan)),
        record_(std::move(record)),
        registration_(FolderOfRuns()) {}

  int Run() {
    Register();
    for (const pipeline::PlannedStage& stage : plan_.stages) {
      stages_.push_back(std::make_unique<RunningStage>(stage, flags_.options));
      if (absl::Status status = stages_.back()->Start(); !status.ok()) {
        return Fail(base::View(status.message()));
      }
    }
    absl::Status status;
    while (status.ok() && interrupts == 0) {
      status = TickAll();
      if (Restarted()) Register();
      Show(false);
      SleepUnlessInterrupted(seconds(1));
    }
    // After a failure there may be nobody left to read the rest.
    const bool clean = DrainAll(status.ok() && !flags_.no_wait);
    Show(true);
    if (!status.ok()) return Fail(base::View(status.message()));
    return clean ? kOk
                 : Fail(
                       "not every stage drained; nothing is lost: what was not "
                       "finished is done by the next run");
  }

 private:
  // A run that others do not find runs all the same.
  void Register() {
    const absl::Status put = registration_.Put(record_);
    if (put.ok() || !std::exchange(registered_, false)) return;
    std::cerr << "levada status will not find this run: " << put.message() << '\n';
  }

  bool Restarted() {
    bool changed = false;
    for (size_t i = 0; i < stages_.size(); ++i) {
      RunRecord::Stage& known = record_.stages[i];
      changed = changed || known.restarts != stages_[i]->restarts() ||
                known.last_end != stages_[i]->last_end();
      known.restarts = stages_[i]->restarts();
      known.last_end = stages_[i]->last_end();
    }
    return changed;
  }

  absl::Status TickAll() {
    for (auto& stage : stages_) {
      if (absl::Status status = stage->Tick(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Ends the stages in the order in which records pass them; with `catch_up` each when it has read
  // what the ones before it have written. A second Ctrl-C cuts the waiting short.
  bool DrainAll(bool catch_up) {
    if (!flags_.json) std::cerr << "\ndraining; Ctrl-C again ends it at once\n";
    bool clean = true;
    const int asked = std::max(1, interrupts.load());
    for (const std::vector<size_t>& level : Levels(plan_)) {
      if (catch_up) CatchUp(level, asked);
      for (size_t i : level) stages_[i]->Drain();
      for (size_t i : level) {
        if (stages_[i]->WaitForEnd(interrupts > asked ? milliseconds(0) : kEndStage)) continue;
        std::cerr << stages_[i]->plan().name << " did not drain in order; its log says why\n";
        clean = false;
      }
    }
    return clean;
  }

  // Until the stages of a level have read what there is, or for kCatchUp; tells of what is left.
  void CatchUp(const std::vector<size_t>& level, int asked) {
    const auto until = Clock::now() + kCatchUp;
    // What is known of the lag may be of before the level in front ended.
    caught_up_at_ = {};
    while (interrupts <= asked && !CaughtUp(level)) {
      if (Clock::now() >= until) return TellUnread(level);
      TickAll().IgnoreError();
      std::this_thread::sleep_for(milliseconds(100));
    }
  }

  void TellUnread(const std::vector<size_t>& level) const {
    for (size_t i : level) {
      const bool reads = !stages_[i]->plan().input.empty() && !stages_[i]->paused();
      const int64_t lag = reads ? stages_[i]->Total().lag() : 0;
      if (lag == 0) continue;
      std::cerr << stages_[i]->plan().name << " has not read everything in " << kCatchUp.count()
                << " s (" << (lag > 0 ? base::StrCat("lag ", lag) : "its lag is not known")
                << "); the next run goes on there\n";
    }
  }

  // Lag that is asked twice: a worker measures it every half second.
  bool CaughtUp(const std::vector<size_t>& level) {
    for (size_t i : level) {
      if (stages_[i]->plan().input.empty() || stages_[i]->paused()) continue;
      if (!stages_[i]->answers() || stages_[i]->Total().lag() != 0) {
        caught_up_at_ = {};
        return false;
      }
    }
    if (caught_up_at_ == Clock::time_point()) caught_up_at_ = Clock::now();
    return Clock::now() - caught_up_at_ > milliseconds(1200);
  }

  void Show(bool final) {
    const std::vector<double> rates = rates_.Update(stages_);
    if (flags_.json) {
      std::cout << RenderJson(stages_, rates, final) << std::endl;
      return;
    }
    const bool terminal = isatty(STDOUT_FILENO) != 0;
    const auto now = Clock::now();
    if (!terminal && !final && now - shown_at_ < kPlainTableEvery) return;
    shown_at_ = now;
    winsize size{};
    if (terminal) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    if (terminal && shown_ > 0 && !final) std::cout << "\033[" << shown_ << "F\033[J";
    const std::string table = RenderTable(stages_, rates, size.ws_col);
    shown_ = 1 + static_cast<int>(std::count(table.begin(), table.end(), '\n'));
    std::cout << table << std::endl;
    if (final) std::cout << "logs: " << flags_.options.state_dir << "/<stage>.log" << std::endl;
  }

  static void SleepUnlessInterrupted(milliseconds duration) {
    const auto until = Clock::now() + duration;
    while (interrupts == 0 && Clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(20));
    }
  }

  const Flags& flags_;
  const pipeline::Plan plan_;
  RunRecord record_;
  Registration registration_;
  bool registered_ = true;
  Stages stages_;
  Rates rates_;
  int shown_ = 0;
  Clock::time_point shown_at_;
  Clock::time_point caught_up_at_;
};

// One run a state folder: a second one would take the first one's place in Kafka.
absl::Status LockState(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::UnavailableError(base::StrCat("cannot make ", folder, ": ", error.message()));
  }
  const int lock = open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) {
    return absl::UnavailableError(
        base::StrCat("another run uses ", folder, ": end it, or give this one --state FOLDER"));
  }
  return absl::OkStatus();
}

void AddFlags(CLI::App& app, Flags& flags) {
  RunOptions& options = flags.options;
  options.brokers = "127.0.0.1:9092";
  options.data_dir = "levada-data";
  app.add_option("FILE", flags.source.file, "Manifest; - is standard input")->required();
  app.add_option("--name", flags.name, "Which pipeline of the file");
  AddKafka(app, options.brokers);
  app.add_option("--secrets", options.secrets_dir,
                 "Folder of secrets, <folder>/<secret>/<key>; else LEVADA_SECRET_<SECRET>_<KEY>")
      ->envname("LEVADA_SECRETS");
  app.add_option("--data", options.data_dir, "Folder that stages write files below")
      ->capture_default_str();
  app.add_option("--state", options.state_dir,
                 "Folder for slices, logs and ports (default: .levada/<pipeline>)");
  app.add_option("--programs", options.programs_dir,
                 "Folder of the services' programs (default: that of levada)");
  app.add_option("--listen", options.listen,
                 "IP address of the ports that the manifest names: who may reach them; 0.0.0.0 is "
                 "everybody")
      ->check(base::CheckIpAddress)
      ->capture_default_str();
  AddOverrides(app, flags.source.overrides);
  app.add_flag("--json", flags.json, "A JSON object a second instead of the table");
  app.add_flag("--no-catch-up", flags.no_wait,
               "On Ctrl-C: end each stage without waiting until it has read everything");
}

}  // namespace

int RunRun(std::span<const std::string_view> args) {
  CLI::App app(
      "Runs a pipeline on this machine: creates its topics, runs each stage as a process, starts\n"
      "one that dies again, and shows what they do. Ctrl-C drains and ends with a summary.",
      "levada run");
  Flags flags;
  AddFlags(app, flags);
  if (auto code = Parse(app, args)) return *code;
  auto pipeline = LoadOne(flags.source, flags.name);
  if (!pipeline) return kWrongUse;
  pipeline::Plan plan = pipeline::Compile(*pipeline);
  if (const std::string clash = PortClash(plan.pipeline); !clash.empty()) {
    std::cerr << clash;
    return kWrongUse;
  }
  RunOptions& options = flags.options;
  std::set<std::string> programs;
  for (const pipeline::PlannedStage& stage : plan.stages) programs.insert(stage.service);
  if (absl::Status status = CheckPrograms(programs, options.programs_dir); !status.ok()) {
    Fail(base::View(status.message()));
    return kWrongUse;
  }
  options.files_dir = FilesDir(flags.source);
  if (options.state_dir.empty()) {
    options.state_dir = base::StrCat(".levada/", plan.pipeline.metadata().name());
  }
  if (absl::Status status = LockState(options.state_dir); !status.ok()) {
    return Fail(base::View(status.message()));
  }
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  if (absl::Status status = FetchFiles({.folder = options.state_dir + "/files",
                                        .files_dir = options.files_dir,
                                        .secrets_dir = options.secrets_dir,
                                        .stopped = [] { return interrupts > 0; }},
                                       &*pipeline);
      !status.ok()) {
    return Fail(base::View(status.message()));
  }
  plan = pipeline::Compile(*pipeline);
  auto config = kafka::ConfigFor(plan.pipeline, options.brokers, base::Secrets(options.secrets_dir),
                                 options.files_dir);
  if (!config.ok()) return Fail(base::View(config.status().message()));
  if (absl::Status status = PrepareTopics(plan, *config); !status.ok()) {
    return Fail(base::View(status.message()));
  }
  auto record = RecordOf(*pipeline, plan, options);
  if (!record.ok()) return Fail(base::View(record.status().message()));
  return Runner(flags, std::move(plan), *std::move(record)).Run();
}

}  // namespace levada::cli
