#include "operator/controller/pipeline_controller.h"

#include <algorithm>
#include <condition_variable>
#include <map>

#include "core/base/log.h"
#include "core/base/strings.h"
#include "operator/controller/look.h"
#include "operator/render/names.h"

namespace levada::controller {
namespace {

using kube::ObjectKey;

constexpr std::chrono::seconds kStopWithin{20};
// A look writes twenty objects at once, and Kubernetes' controllers change one several times: time
// for all of it to come in.
constexpr std::chrono::milliseconds kEcho{100};
constexpr std::chrono::seconds kDiscoverAgain{10};  // after a failure
constexpr std::array<std::string_view, 6> kPhases = {"Pending", "Running", "Degraded",
                                                     "Paused",  "Invalid", "Terminating"};

}  // namespace

// All that is there between Start and Stop.
struct PipelineController::Running {
  Running(kube::Client& client, KafkaState& kafka_state, Metrics& the_metrics,
          const Options& the_options)
      : options(the_options),
        kafka(kafka_state),
        metrics(the_metrics),
        cluster(client, {.name_space = options.name_space,
                         .label_selector =
                             base::StrCat("app.kubernetes.io/managed-by=", render::kManagedBy),
                         .clock = options.clock,
                         .probe = &metrics}),
        pods(client,
             {.resource = kube::kPods,
              .name_space = options.name_space,
              .label_selector = base::StrCat("app.kubernetes.io/managed-by=", render::kManagedBy),
              .transform = Workers::KeepOfPod,
              .clock = options.clock,
              .probe = &metrics}),
        workers(options.workers_asked),
        checks(options.settings),
        events(client, {.controller = "levada.dev/operator",
                        .instance = options.identity,
                        .clock = options.clock,
                        .probe = &metrics}),
        // Edits need not wait until a thousand new pipelines are made.
        queue({.name = "pipelines",
               .most_low = static_cast<size_t>(std::max(1, options.workers - 1)),
               .clock = options.clock,
               .probe = &metrics}),
        look({client, cluster, kafka, workers, checks, scaling, events, options.settings,
              *options.clock}) {}

  void Start() {
    const auto add = [this](const ObjectKey& pipeline) { Add(pipeline); };
    kafka.Start(add);
    cluster.Start(add, [this](const ObjectKey& pipeline) { Add(pipeline, kEcho); });
    pods.AddHandler({.on_change = [this](const kube::Json* before, const kube::Json* after) {
      workers.Follow(before, after);
    }});
    pods.Start();
    workers.Start(add);
    // Looking before everything is known would make what is there already.
    syncing = std::jthread([this](const std::stop_token& stop) {
      bool discovered = cluster.Discover().ok();
      while (!stop.stop_requested() && !cluster.WaitForSync(std::chrono::milliseconds(200))) {
      }
      if (stop.stop_requested()) return;
      base::LogInfo("synced", {{"pipelines", cluster.Pipelines().size()}});
      for (int i = 0; i < options.workers; ++i) {
        threads.emplace_back([this] { Work(); });
      }
      while (Sleep(stop, discovered ? options.discover : kDiscoverAgain)) {
        const absl::StatusOr<bool> changed = cluster.Discover();
        discovered = changed.ok();
        if (!discovered || !*changed) continue;
        base::LogInfo("the API server knows other kinds than before");
        for (const ObjectKey& pipeline : cluster.Pipelines()) {
          queue.Add(pipeline.ToText(), kube::WorkQueue::Urgency::kLow);
        }
      }
    });
  }

  void Stop() {
    syncing.request_stop();
    if (syncing.joinable()) syncing.join();
    if (!queue.Drain(kStopWithin)) base::LogWarn("a look did not end in time");
    for (std::jthread& thread : threads) thread.join();
    workers.Stop();
    pods.Stop();
    kafka.Stop();
    cluster.Stop();
    events.Flush(std::chrono::seconds(5));
  }

  // False: told to stop.
  bool Sleep(const std::stop_token& stop, std::chrono::milliseconds span) {
    std::unique_lock lock(mutex);
    woken.wait_for(lock, stop, span, [] { return false; });
    return !stop.stop_requested();
  }

  // One that this process has not looked at yet gives way: there is most to do for it.
  void Add(const ObjectKey& pipeline, std::chrono::milliseconds delay = {}) {
    bool known = false;
    {
      const std::lock_guard lock(mutex);
      known = phases.contains(pipeline);
    }
    if (known) return queue.AddAfter(pipeline.ToText(), delay);
    queue.Add(pipeline.ToText(), kube::WorkQueue::Urgency::kLow);
  }

  void Work() {
    while (const std::optional<std::string> text = queue.Get()) {
      const auto began = options.clock->Now();
      const ObjectKey key = ObjectKey::FromText(*text);
      const Seen seen = look.At(key);
      Count(key, seen, options.clock->Now() - began);
      if (!seen.status.ok()) {
        base::LogWarn("trying again", {{"pipeline", *text},
                                       {"reason", base::View(seen.status.message())},
                                       {"tries", queue.Retries(*text) + 1}});
        queue.AddRateLimited(*text);
      } else {
        queue.Forget(*text);
        if (!seen.gone) queue.AddAfter(*text, options.resync);
      }
      if (seen.again) queue.AddAfter(*text, *seen.again);
      queue.Done(*text);
    }
  }

  void Count(const ObjectKey& key, const Seen& seen, kube::Probe::Seconds took) {
    metrics.Reconciled(!seen.status.ok() ? "failed" : seen.valid ? "done" : "invalid", took);
    if (!seen.status.ok()) metrics.Failed(key.name_space, key.name);
    if (seen.gone) metrics.Forget(key.name_space, key.name);
    const std::lock_guard lock(mutex);
    const auto known = phases.find(key);
    if (known != phases.end() && known->second == seen.phase && !seen.gone) return;
    if (known != phases.end()) {
      --in_phase[known->second];
      phases.erase(known);
    }
    if (!seen.gone) {
      ++in_phase[seen.phase];
      phases[key] = seen.phase;
    }
    for (const std::string_view phase : kPhases) {
      metrics.Pipelines(phase, in_phase[std::string(phase)]);
    }
  }

  const Options& options;
  KafkaState& kafka;
  Metrics& metrics;
  Cluster cluster;
  kube::Informer pods;
  Workers workers;
  Checks checks;
  Scaling scaling;
  kube::EventRecorder events;
  kube::WorkQueue queue;
  Look look;
  std::mutex mutex;
  std::condition_variable_any woken;  // by the stop alone
  std::map<ObjectKey, std::string> phases;
  std::map<std::string, size_t> in_phase;
  std::vector<std::jthread> threads;
  std::jthread syncing;
};

PipelineController::PipelineController(kube::Client& client, KafkaState& kafka, Metrics& metrics,
                                       Options options)
    : client_(client), kafka_(kafka), metrics_(metrics), options_(std::move(options)) {}

PipelineController::~PipelineController() { Stop(); }

void PipelineController::Start() {
  const std::lock_guard lock(mutex_);
  if (running_ != nullptr) return;
  running_ = std::make_unique<Running>(client_, kafka_, metrics_, options_);
  running_->Start();
}

void PipelineController::Stop() {
  const std::lock_guard lock(mutex_);
  if (running_ == nullptr) return;
  running_->Stop();
  running_.reset();
}

absl::Status PipelineController::Health() const {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  // Starting or stopping, or another process leads.
  if (!lock.owns_lock() || running_ == nullptr) return absl::OkStatus();
  return running_->cluster.Health();
}

}  // namespace levada::controller
