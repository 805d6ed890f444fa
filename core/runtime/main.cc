// The program of a service: flags, log, signals, endpoints, and the loop of its kind.

#include <fcntl.h>
#include <prometheus/registry.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "core/base/address.h"
#include "core/base/log.h"
#include "core/base/secrets.h"
#include "core/base/strings.h"
#include "core/base/units.h"
#include "core/pipeline/manifest.h"
#include "core/pipeline/plan.h"
#include "core/runtime/endpoints.h"
#include "core/runtime/worker.h"

namespace levada::runtime {
namespace {

constexpr int kDrained = 0;
constexpr int kFailed = 1;
constexpr int kWrongUse = 2;

struct Flags {
  std::string pipeline;
  std::string stage;
  std::string kafka;
  std::string secrets_dir;
  std::string files_dir;
  std::string data_dir = "levada-data";
  std::string state_dir;
  std::string snapshot_every;
  std::string instance;
  std::string advertise;
  std::string address = "127.0.0.1";
  std::string listen = "0.0.0.0";
  uint16_t http_port = 0;
  uint16_t grpc_port = 0;
  std::string port_file;
  std::string log_level = "info";
  std::string log_format = "auto";
  bool pipe = false;
  std::string from = "ndjson";
  std::string to = "ndjson";
  std::vector<std::string> fields;
  bool test_session = false;

  // Nothing outside is touched.
  bool alone() const { return pipe || test_session; }
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--pipeline", flags.pipeline, "Manifest (or slice) with the stage")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--stage", flags.stage, "Name of the stage to run")->required();
  app.add_option("--kafka", flags.kafka,
                 "Kafka brokers, where the manifest has no connection `kafka`")
      ->envname("LEVADA_KAFKA");
  app.add_option("--secrets", flags.secrets_dir, "Folder of secrets: <folder>/<secret>/<key>")
      ->envname("LEVADA_SECRETS");
  app.add_option("--files", flags.files_dir,
                 "Folder that relative files of the manifest are in (default: the manifest's)");
  app.add_option("--data", flags.data_dir, "Folder that stages write files below");
  app.add_option("--state", flags.state_dir,
                 "Folder of this worker alone, for what spares it reading from Kafka when it is "
                 "started again: snapshots of its state (default: none)");
  app.add_option(
         "--snapshot-every", flags.snapshot_every,
         "Time between two snapshots of a partition's state; 0s: only when it ends (default: "
         "`state.snapshotEvery` of the manifest)")
      ->check([](const std::string& text) {
        return base::ParseDuration(text).ok() ? "" : "a duration is expected: 30s, 5m";
      });
  app.add_option("--instance", flags.instance,
                 "Name of this worker that stays over restarts; no two workers may share it");
  app.add_option("--listen", flags.listen,
                 "IP address of the ports that the manifest names (ingest, detector)")
      ->check(base::CheckIpAddress)
      ->capture_default_str();
  app.add_option(
         "--advertise", flags.advertise,
         "IP address at which the stage's other workers reach these ports (default: that of "
         "--listen, or the one that Kafka sees)")
      ->envname("LEVADA_ADVERTISE")
      ->check(base::CheckIpAddress);
  app.add_option("--address", flags.address, "IP address of metrics, health and control")
      ->check(base::CheckIpAddress)
      ->capture_default_str();
  app.add_option("--http-port", flags.http_port, "Port of metrics and health; 0: any free one");
  app.add_option("--grpc-port", flags.grpc_port, "Port of control; 0: any free one");
  app.add_option("--port-file", flags.port_file,
                 "File that the two ports are written to, and at the end the last status, as JSON");
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")
      ->envname("LEVADA_LOG_LEVEL");
  app.add_option("--log-format", flags.log_format, "auto, json or text")
      ->envname("LEVADA_LOG_FORMAT");
  app.add_flag("--pipe", flags.pipe,
               "No Kafka: NDJSON from standard input, results to standard output, dead letters to "
               "standard error");
  app.add_option("--from", flags.from, "With --pipe, what comes in: ndjson, or csv with a header")
      ->check(CLI::IsMember({"ndjson", "csv"}));
  app.add_option("--to", flags.to, "With --pipe, what goes out: ndjson, or csv with --fields")
      ->check(CLI::IsMember({"ndjson", "csv"}));
  app.add_option("--fields", flags.fields, "With --to csv: the fields of a row")->delimiter(',');
  app.add_flag("--test-session", flags.test_session,
               "No Kafka: for `levada test`, which says on standard input what comes in");
}

int Complain(std::string_view message) {
  std::cerr << message << '\n';
  return kWrongUse;
}

absl::Status StartLogging(const Flags& flags, std::string_view service,
                          const v1::Pipeline& pipeline) {
  auto level = base::ParseLogLevel(flags.log_level);
  if (!level.ok()) return level.status();
  auto format = base::ParseLogFormat(flags.log_format);
  if (!format.ok()) return format.status();
  base::LogOptions options;
  options.level = flags.alone() ? base::LogLevel::kError : *level;
  options.format = *format;
  options.fields = {{"service", std::string(service)},
                    {"pipeline", pipeline.metadata().name()},
                    {"stage", flags.stage}};
  base::StartLog(options);
  return absl::OkStatus();
}

// SIGTERM and SIGINT ask for a drain; they are blocked in every other thread.
class DrainOnSignal {
 public:
  explicit DrainOnSignal(Control& control) {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::thread([this, &control] {
      int signal = 0;
      while (sigwait(&signals_, &signal) == 0) {
        base::LogInfo("draining", {{"signal", strsignal(signal)}});
        control.Drain();
      }
    }).detach();  // lives as long as the process
  }

 private:
  sigset_t signals_;
};

// A call that hangs for ever (a client of a broker that never answers) would leave a worker that
// looks alive and does nothing. It ends, and is started again from what is committed.
class Watchdog {
 public:
  explicit Watchdog(const Control& control) {
    std::thread([&control] {
      while (control.alive()) std::this_thread::sleep_for(std::chrono::milliseconds(500));
      base::LogError("a call hangs: ending, to be started again");
      _exit(kFailed);
    }).detach();  // lives as long as the process
  }
};

absl::Status WritePortFile(const Flags& flags, const std::string& content) {
  if (flags.port_file.empty()) return absl::OkStatus();
  const std::string draft = flags.port_file + ".new";
  std::ofstream out(draft);
  out << content << '\n';
  out.close();
  if (!out || std::rename(draft.c_str(), flags.port_file.c_str()) != 0) {
    return absl::UnavailableError(base::StrCat("cannot write ", flags.port_file));
  }
  return absl::OkStatus();
}

absl::Status WritePorts(const Flags& flags, const Endpoints& endpoints) {
  return WritePortFile(
      flags, base::StrCat("{\"pid\":", getpid(), ",\"http\":\"",
                          base::HostPort(flags.address, endpoints.http_port()), "\",\"grpc\":\"",
                          base::HostPort(flags.address, endpoints.grpc_port()), "\"}"));
}

// The counts that nobody can ask for any more once the process has ended. Not over the ports of a
// worker that has come meanwhile, as when `levada run` was killed and started again.
void WriteLastStatus(const Flags& flags, const v1::StageStatus& status) {
  std::string line;
  std::getline(std::ifstream(flags.port_file), line);
  if (!line.starts_with(base::StrCat("{\"pid\":", getpid(), ","))) return;
  WritePortFile(flags, base::StrCat("{\"last\":", ToJson(status), "}")).IgnoreError();
}

absl::StatusOr<v1::Pipeline> ReadPipeline(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return pipeline::LoadPipeline(text.str(), path);
}

// The stage's implementation, of one of three kinds.
struct Made {
  std::unique_ptr<Processor> processor;
  std::unique_ptr<Sink> sink;
  std::unique_ptr<Source> source;
};

absl::StatusOr<Made> Make(const Service& service, const StageContext& context) {
  Made made;
  if (service.processor) {
    auto processor = service.processor(context);
    if (!processor.ok()) return processor.status();
    made.processor = *std::move(processor);
  } else if (service.sink) {
    auto sink = service.sink(context);
    if (!sink.ok()) return sink.status();
    made.sink = *std::move(sink);
  } else {
    auto source = service.source(context);
    if (!source.ok()) return source.status();
    made.source = *std::move(source);
  }
  return made;
}

absl::Status RunLoop(Worker& worker, Made& made) {
  if (made.processor) return RunProcessor(worker, *made.processor);
  if (made.sink) return RunSink(worker, *made.sink);
  return RunSource(worker, *made.source);
}

std::chrono::milliseconds SnapshotEvery(const Flags& flags, const v1::Stage& stage) {
  const std::string& in_manifest = stage.scoring().state().snapshot_every();
  const std::string& text = flags.snapshot_every.empty() ? in_manifest : flags.snapshot_every;
  // Other stages than those of scoring have none.
  return base::ParseDuration(text).value_or(std::chrono::milliseconds(0));
}

int Run(const Flags& flags, const Service& service) {
  auto pipeline = ReadPipeline(flags.pipeline);
  if (!pipeline.ok()) return Complain(base::View(pipeline.status().message()));
  const v1::Stage* stage = pipeline::FindStage(*pipeline, flags.stage);
  if (stage == nullptr) {
    return Complain(base::StrCat(flags.pipeline, " has no stage '", flags.stage, "'"));
  }
  if (pipeline::StageKind(*stage) != service.name) {
    return Complain(base::StrCat("stage '", flags.stage, "' is ", pipeline::StageKind(*stage),
                                 ": run it with ", pipeline::ServiceName(*stage)));
  }
  if (absl::Status status = StartLogging(flags, service.name, *pipeline); !status.ok()) {
    return Complain(base::View(status.message()));
  }
  Control& control = *new Control;  // threads that end with the process use it to the last
  if (!flags.alone()) {
    static DrainOnSignal signals(control);
    static Watchdog watchdog(control);
  }

  const base::Secrets secrets(flags.secrets_dir);
  const std::string files_dir = flags.files_dir.empty()
                                    ? std::filesystem::path(flags.pipeline).parent_path().string()
                                    : flags.files_dir;
  kafka::ClientConfig kafka;
  if (!flags.alone()) {
    auto config = kafka::ConfigFor(*pipeline, flags.kafka, secrets, files_dir);
    if (!config.ok()) return Complain(base::View(config.status().message()));
    kafka = *std::move(config);
  }
  prometheus::Registry registry;
  const std::map<std::string, std::string> labels = {
      {"namespace", pipeline->metadata().namespace_()},
      {"pipeline", pipeline->metadata().name()},
      {"stage", stage->name()}};
  StageMetrics metrics(registry, labels);
  const StageContext context{*pipeline,       *stage,
                             secrets,         kafka,
                             metrics,         registry,
                             control,         flags.alone(),
                             files_dir,       flags.data_dir,
                             flags.listen,    flags.advertise,
                             flags.state_dir, SnapshotEvery(flags, *stage)};
  absl::StatusOr<Made> made = Make(service, context);
  if (!made.ok()) {
    return Complain(base::StrCat("stage '", stage->name(), "': ", made.status().message()));
  }
  if (flags.test_session) {
    return RunTestSession(context, made->processor.get(), made->sink.get(), made->source.get());
  }
  if (flags.pipe) {
    if ((flags.to == "csv") == flags.fields.empty()) {
      return Complain("--to csv needs --fields, and --fields is for --to csv");
    }
    return RunPipe(context, {flags.from == "csv", flags.fields}, made->processor.get(),
                   made->sink.get(), made->source.get());
  }
  const Identity identity{pipeline->metadata().name(), stage->name(), std::string(service.name)};
  auto endpoints = Endpoints::Start({flags.address, flags.http_port, flags.grpc_port}, identity,
                                    &registry, &control, &metrics);
  absl::Status status = endpoints.status();
  if (status.ok()) status = WritePorts(flags, **endpoints);
  if (status.ok()) {
    base::LogInfo("started", {{"kafka", kafka.brokers},
                              {"http_port", (*endpoints)->http_port()},
                              {"grpc_port", (*endpoints)->grpc_port()}});
    Worker worker{context,
                  control,
                  metrics,
                  kafka,
                  pipeline::ConsumerGroup(*pipeline, stage->name()),
                  std::string(pipeline::InputTopic(*stage)),
                  flags.instance};
    status = RunLoop(worker, *made);
    WriteLastStatus(flags, StatusOf(identity, control, metrics));
  }
  if (!status.ok()) {
    base::LogError("ended", {{"reason", status.message()}});
    return kFailed;
  }
  base::LogInfo("drained");
  return kDrained;
}

}  // namespace

int Main(int argc, char** argv, const Service& service) {
  signal(SIGPIPE, SIG_IGN);
  CLI::App app(base::StrCat("Runs one ", service.name, " stage of a Levada pipeline."),
               base::StrCat("levada-", service.name));
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kDrained : kWrongUse;
  }
  return Run(flags, service);
}

}  // namespace levada::runtime
