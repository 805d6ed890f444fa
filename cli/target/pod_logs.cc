// The logs of a pipeline's pods, as the API server passes them on.

#include <algorithm>
#include <map>
#include <mutex>
#include <thread>

#include "cli/target/cluster.h"
#include "core/base/strings.h"
#include "core/base/time.h"
#include "operator/kube/errors.h"
#include "operator/kube/informer.h"
#include "operator/render/names.h"

namespace levada::cli {
namespace {

using kube::Json;
using std::chrono::milliseconds;

constexpr milliseconds kAgain{1'000};
// A worker that has nothing to say is silent for long.
constexpr milliseconds kIdle{std::chrono::hours(24)};
constexpr char kContainer[] = "worker";

std::string SelectorOf(const std::string& pipeline, const std::string& stage) {
  std::string selector = base::StrCat(render::kPipelineLabel, "=", pipeline);
  if (!stage.empty()) base::StrAppend(&selector, ",", render::kStageLabel, "=", stage);
  return selector;
}

// A container that waits for its first start has no log, and the API server refuses to look for it.
bool HasStarted(const Json& pod) {
  const Json* containers = kube::Find(pod, {"status", "containerStatuses"});
  if (containers == nullptr || !containers->is_array()) return false;
  return std::any_of(containers->begin(), containers->end(), [](const Json& container) {
    return kube::TextAt(container, {"name"}) == kContainer &&
           (kube::Find(container, {"state", "waiting"}) == nullptr ||
            kube::IntAt(container, {"restartCount"}) > 0);
  });
}

// Reads one pod's log. Each line comes with the time that the node gave it, so that a connection
// that ends is taken up behind the last one.
class PodReader {
 public:
  using Each = std::function<void(const LogLine&)>;

  PodReader(kube::Client& client, const Json& pod, const LogOptions& options, const Each& each)
      : client_(client),
        key_(kube::KeyOf(pod)),
        stage_(kube::LabelOf(pod, render::kStageLabel)),
        options_(options),
        each_(each) {}

  absl::Status Read(bool follow, const std::stop_token& stop) {
    return client_.Lines(
        Path(follow), base::StrCat("log of pod ", key_.ToText()), kIdle,
        [&](std::string_view line) {
          const size_t space = line.find(' ');
          const std::string_view time = line.substr(0, space);
          // All of a node's times have one form and one zone.
          if (space == std::string_view::npos || time <= last_) return true;
          last_ = time;
          each_({.stage = stage_, .worker = key_.name, .text = line.substr(space + 1)});
          return !stop.stop_requested();
        },
        stop);
  }

 private:
  std::string Path(bool follow) const {
    std::string path = base::StrCat(kube::kPods.Path(key_, "log"), "?container=", kContainer,
                                    "&timestamps=true", follow ? "&follow=true" : "");
    if (const auto last = base::ParseTimestamp(last_); last.ok()) {
      base::StrAppend(&path, "&sinceTime=", kube::ToTime(*last));  // whole seconds
      return path;
    }
    if (options_.tail >= 0) base::StrAppend(&path, "&tailLines=", options_.tail);
    if (options_.since) {
      base::StrAppend(&path, "&sinceSeconds=", std::max<int64_t>(1, options_.since->count()));
    }
    return path;
  }

  kube::Client& client_;
  const kube::ObjectKey key_;
  const std::string stage_;
  const LogOptions options_;
  const Each& each_;
  std::string last_;
};

void SleepUnlessStopped(milliseconds duration, const std::stop_token& stop) {
  const auto until = std::chrono::steady_clock::now() + duration;
  while (!stop.stop_requested() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(milliseconds(20));
  }
}

// A thread a pod, for as long as the pod is there.
class Follower {
 public:
  Follower(kube::Client& client, const LogOptions& options, const PodReader::Each& each)
      : client_(client), options_(options), each_(each) {}

  void Found(const Json& pod, bool was_there) {
    const std::lock_guard lock(mutex_);
    const std::string uid = kube::UidOf(pod);
    if (threads_.contains(uid)) return;
    LogOptions options = options_;
    if (!was_there) {  // all of it is new
      options.tail = -1;
      options.since.reset();
    }
    threads_.emplace(uid, std::jthread([this, pod, options](const std::stop_token& stop) {
                       PodReader reader(client_, pod, options, each_);
                       while (!stop.stop_requested()) {
                         // Not started yet, started again, or the connection was lost.
                         if (absl::IsNotFound(reader.Read(true, stop))) return;
                         SleepUnlessStopped(kAgain, stop);
                       }
                     }));
  }

 private:
  kube::Client& client_;
  const LogOptions options_;
  const PodReader::Each& each_;
  std::mutex mutex_;
  std::map<std::string, std::jthread> threads_;  // by the pod's uid
};

absl::Status Follow(kube::Client& client, const kube::ObjectKey& pipeline,
                    const LogOptions& options, const PodReader::Each& each,
                    const std::stop_token& stop) {
  Follower follower(client, options, each);
  kube::Informer pods(client, {.resource = kube::kPods,
                               .name_space = pipeline.name_space,
                               .label_selector = SelectorOf(pipeline.name, options.stage)});
  pods.AddHandler({.on_change = [&](const Json*, const Json* after) {
    if (after != nullptr) follower.Found(*after, !pods.HasSynced());
  }});
  pods.Start();
  while (!stop.stop_requested()) SleepUnlessStopped(kAgain, stop);
  pods.Stop();
  return absl::OkStatus();
}

}  // namespace

absl::Status PodLogs(kube::Client& client, const kube::ObjectKey& pipeline,
                     const LogOptions& options, const std::function<void(const LogLine&)>& each,
                     std::stop_token stop) {
  // What it may not do is said at once, also with --follow.
  const auto pods =
      client.List(kube::kPods, {.name_space = pipeline.name_space,
                                .label_selector = SelectorOf(pipeline.name, options.stage)});
  if (!pods.ok()) return pods.status();
  if (options.follow) {
    std::mutex mutex;
    const PodReader::Each one_at_a_time = [&](const LogLine& line) {
      const std::lock_guard lock(mutex);
      each(line);
    };
    return Follow(client, pipeline, options, one_at_a_time, stop);
  }
  if (pods->empty()) {
    return absl::NotFoundError(base::StrCat(
        pipeline.ToText(), " has no pods", options.stage.empty() ? "" : " of that stage",
        ": it is paused or not rolled out; levada status says more"));
  }
  absl::Status failed;
  for (const Json& pod : *pods) {
    if (HasStarted(pod)) {
      failed.Update(PodReader(client, pod, options, each).Read(false, stop));
    } else {
      each({.stage = kube::LabelOf(pod, render::kStageLabel),
            .worker = kube::NameOf(pod),
            .text = "has not started yet; levada status says what it waits for"});
    }
  }
  return failed;
}

}  // namespace levada::cli
