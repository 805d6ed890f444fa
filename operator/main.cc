// levada-operator: turns Pipelines into topics, Deployments, dashboards and alerts.

#include <malloc.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <condition_variable>
#include <cstring>
#include <iostream>
#include <mutex>
#include <thread>

#include "core/base/address.h"
#include "core/base/log.h"
#include "core/base/strings.h"
#include "core/http/server.h"
#include "core/pipeline/plan.h"
#include "operator/controller/metrics.h"
#include "operator/controller/pipeline_controller.h"
#include "operator/kube/leader.h"
#include "operator/settings/settings.h"
#include "operator/topics/access.h"
#include "operator/topics/kafka_state.h"
#include "operator/webhook/webhook.h"

namespace levada::controller {
namespace {

constexpr int kStopped = 0;
constexpr int kFailed = 1;
constexpr int kWrongUse = 2;
// API servers call a pod for a while after it was told to end.
constexpr std::chrono::seconds kWebhookLingers{5};
constexpr std::chrono::seconds kWebhookRequest{5};
constexpr std::chrono::seconds kTrimEvery{30};

struct Flags {
  std::string kubeconfig;
  std::string context;
  std::string name_space;
  std::string operator_name_space;
  std::string settings;
  std::string image;
  std::string identity;
  std::string lease = "levada-operator";
  std::string address = "0.0.0.0";
  uint16_t http_port = 8080;
  int workers = 4;
  bool elect = true;
  std::string log_level = "info";
  std::string log_format = "auto";
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--kubeconfig", flags.kubeconfig,
                 "File that says how the cluster is reached (default: $KUBECONFIG, ~/.kube/config, "
                 "the pod's service account)");
  app.add_option("--context", flags.context,
                 "Context of the kubeconfig (default: its current one)");
  app.add_option("--namespace", flags.name_space,
                 "Only the pipelines of this namespace (default: of all)");
  app.add_option("--operator-namespace", flags.operator_name_space,
                 "Namespace of the operator itself and of its Lease (default: that of the pod or "
                 "context)");
  app.add_option(
      "--settings", flags.settings,
      "File with what all pipelines have from the installation: Kafka, pods, monitoring, "
      "webhook (docs/reference/operator-settings.md)");
  app.add_option("--image", flags.image, "Image of the workers")->envname("LEVADA_IMAGE");
  app.add_option("--identity", flags.identity, "Name in the election, unique (default: the host's)")
      ->envname("POD_NAME");
  app.add_flag("--elect,!--no-elect", flags.elect,
               "Act only while holding the Lease, so that one of several operators does")
      ->capture_default_str();
  app.add_option(
         "--lease", flags.lease,
         "Name of the Lease: the same for all of one installation, another for the next one in "
         "this namespace")
      ->capture_default_str();
  app.add_option("--workers", flags.workers, "Pipelines that are looked at at the same time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--address", flags.address, "IP address of metrics and health")
      ->check(base::CheckIpAddress)
      ->capture_default_str();
  app.add_option("--http-port", flags.http_port, "Port of metrics and health; 0: any free one")
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")
      ->envname("LEVADA_LOG_LEVEL");
  app.add_option("--log-format", flags.log_format, "auto, json or text")
      ->envname("LEVADA_LOG_FORMAT");
}

// Thirty threads, of which few are ever busy: with an arena for each, what one of them has freed is
// of no use to the others. What a burst of work leaves free goes back to the system.
class Memory {
 public:
  Memory() {
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    trimming_ = std::jthread([](const std::stop_token& stop) {
      std::mutex mutex;
      std::condition_variable_any stopped;
      std::unique_lock lock(mutex);
      while (!stopped.wait_for(lock, stop, kTrimEvery, [] { return false; }) &&
             !stop.stop_requested()) {
        malloc_trim(0);
      }
    });
  }

 private:
  std::jthread trimming_;
};

// SIGTERM and SIGINT, blocked in every thread that is made after it.
class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  void Wait() {
    int signal = 0;
    while (sigwait(&signals_, &signal) != 0) continue;
    base::LogInfo("stopping", {{"signal", strsignal(signal)}});
  }

 private:
  sigset_t signals_;
};

http::ServerResponse Plain(const absl::Status& status) {
  http::ServerResponse response;
  response.status = status.ok() ? 200 : 503;
  response.body = status.ok() ? "ok\n" : base::StrCat(base::View(status.message()), "\n");
  response.content_type = "text/plain; charset=utf-8";
  return response;
}

std::vector<http::Route> Routes(Metrics& metrics, const PipelineController& controller) {
  return {
      {"GET", "/metrics",
       [&](http::ServerRequest, http::Responder responder) {
         http::ServerResponse response;
         response.body = prometheus::TextSerializer().Serialize(metrics.registry().Collect());
         response.content_type = "text/plain; version=0.0.4; charset=utf-8";
         responder.Send(std::move(response));
       }},
      // Alive is who answers: a server that is away is no reason to be started again.
      {"GET", "/healthz",
       [](http::ServerRequest, http::Responder responder) {
         responder.Send(Plain(absl::OkStatus()));
       }},
      {"GET", "/readyz",
       [&](http::ServerRequest, http::Responder responder) {
         responder.Send(Plain(controller.Health()));
       }},
  };
}

std::string HostName() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

int Complain(const absl::Status& status) {
  std::cerr << "levada-operator: " << status.message() << '\n';
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status) ? kWrongUse : kFailed;
}

absl::Status StartLogging(const Flags& flags) {
  const auto level = base::ParseLogLevel(flags.log_level);
  if (!level.ok()) return level.status();
  const auto format = base::ParseLogFormat(flags.log_format);
  if (!format.ok()) return format.status();
  base::StartLog({.level = *level, .format = *format, .fields = {{"service", "operator"}}});
  return absl::OkStatus();
}

render::Settings RenderingOf(const Flags& flags, const v1::OperatorSettings& file,
                             const kube::Config& config) {
  render::Settings rendering = settings::ForRendering(file);
  if (!flags.image.empty()) rendering.image = flags.image;
  rendering.operator_namespace =
      flags.operator_name_space.empty() ? config.name_space : flags.operator_name_space;
  return rendering;
}

// Acts while this process holds the Lease, or always, until told to stop.
absl::Status Act(kube::Elector* elector, PipelineController& controller, StopSignal& stop) {
  if (elector == nullptr) {
    controller.Start();
    stop.Wait();
    controller.Stop();
    return absl::OkStatus();
  }
  elector->Start({.on_started = [&] { controller.Start(); },
                  .on_stopped = [&] { controller.Stop(); },
                  .on_new_leader =
                      [](const std::string& identity) {
                        base::LogInfo("leader", {{"identity", identity}});
                      }});
  stop.Wait();
  elector->Stop();
  return absl::OkStatus();
}

std::unique_ptr<KafkaState> MakeKafka(kube::Client& client, const render::Settings& settings) {
  return topics::MakeKafkaState(
      {.config = [&client, &settings](const kube::Json& live, const pipeline::Plan& plan) {
        return topics::ConfigOf(client, settings, kube::NamespaceOf(live), plan.pipeline);
      }});
}

// nullptr: the settings want none.
std::unique_ptr<webhook::Webhook> MakeWebhook(const v1::WebhookSettings& settings,
                                              const std::string& address,
                                              const std::string& name_space, kube::Client& client,
                                              Metrics& metrics) {
  std::unique_ptr<webhook::CertificateSource> source;
  if (settings.has_self_managed()) {
    const v1::SelfManagedCertificate& own = settings.self_managed();
    source = webhook::OwnCertificates(client, {.secret = {name_space, own.secret()},
                                               .configuration = own.configuration(),
                                               .hosts = {own.hosts().begin(), own.hosts().end()}});
  } else if (!settings.certificate_folder().empty()) {
    source = webhook::CertificatesInFolder(settings.certificate_folder());
  } else {
    return nullptr;
  }
  webhook::Webhook::Options options;
  options.address = address;
  options.port = static_cast<uint16_t>(settings.port());
  options.linger = kWebhookLingers;
  options.probe = {
      .reviewed = [&](std::string_view result, auto took) { metrics.Reviewed(result, took); },
      .certificate_ends = [&](int64_t end_s) { metrics.CertificateEnds(end_s); }};
  return std::make_unique<webhook::Webhook>(std::move(source), std::move(options));
}

absl::StatusOr<std::unique_ptr<kube::Elector>> MakeElector(
    const Flags& flags, const std::string& name_space, const std::string& identity,
    const std::shared_ptr<kube::Transport>& transport, Metrics& metrics) {
  if (!flags.elect) return nullptr;
  return kube::Elector::Create(
      transport, {.lease = {name_space, flags.lease}, .identity = identity, .probe = &metrics});
}

absl::Status Run(const Flags& flags) {
  if (absl::Status status = StartLogging(flags); !status.ok()) return status;
  const auto file = settings::Load(flags.settings);
  if (!file.ok()) return file.status();
  StopSignal stop;
  const Memory memory;
  const auto config = kube::LoadConfig({.kubeconfig = flags.kubeconfig, .context = flags.context});
  if (!config.ok()) return config.status();
  auto made = kube::Transport::Create(*config, {});
  if (!made.ok()) return made.status();
  const std::shared_ptr<kube::Transport> transport = *std::move(made);
  const std::string identity = flags.identity.empty() ? HostName() : flags.identity;
  const render::Settings settings = RenderingOf(flags, *file, *config);

  Metrics metrics;
  auto elector = MakeElector(flags, settings.operator_namespace, identity, transport, metrics);
  if (!elector.ok()) return elector.status();
  kube::Client::Options options;
  options.probe = &metrics;
  if (*elector != nullptr) {
    options.time_to_write = [&] { return (*elector)->TimeToWrite(); };
  }
  kube::Client client(transport, options);
  const std::unique_ptr<KafkaState> kafka = MakeKafka(client, settings);
  PipelineController controller(client, *kafka, metrics,
                                {.settings = settings,
                                 .name_space = flags.name_space,
                                 .identity = identity,
                                 .workers = flags.workers});
  // Every replica answers, and any may renew the certificate: not only who leads may write here.
  // Nothing waits for long before the operator answers that it is alive.
  kube::Client webhook_client(transport, {.timeout = kWebhookRequest, .probe = &metrics});
  const std::unique_ptr<webhook::Webhook> webhook = MakeWebhook(
      file->webhook(), flags.address, settings.operator_namespace, webhook_client, metrics);
  if (webhook != nullptr) webhook->Start();

  http::Server::Options http;
  http.address = flags.address;
  http.port = flags.http_port;
  http.max_connections = 64;
  http.max_body_bytes = 64 << 10;
  const auto server = http::Server::Start(http, Routes(metrics, controller));
  if (!server.ok()) return server.status();
  base::LogInfo("started", {{"server", config->server},
                            {"address", base::HostPort(flags.address, (*server)->port())}});
  const absl::Status ended = Act(elector->get(), controller, stop);
  if (webhook != nullptr) webhook->Stop();
  return ended;
}

}  // namespace
}  // namespace levada::controller

int main(int argc, char** argv) {
  using levada::controller::Flags;
  CLI::App app(
      "Turns Pipelines of a Kubernetes cluster into Kafka topics, Deployments, dashboards and "
      "alerts.\nExit codes: 0 stopped, 1 failed (start it again), 2 wrong flags or configuration.",
      "levada-operator");
  Flags flags;
  levada::controller::AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : levada::controller::kWrongUse;
  }
  const absl::Status status = levada::controller::Run(flags);
  return status.ok() ? levada::controller::kStopped : levada::controller::Complain(status);
}
