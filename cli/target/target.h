#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/target/view.h"
#include "core/kafka/client.h"
#include "levada/v1/pipeline.pb.h"

// A pipeline that runs somewhere: on this machine by `levada run`, or on a cluster by the operator.
// The commands that look at it and steer it know no more than this.
//
//   auto target = FindTarget(where, "orders");       // cli/target/find.h
//   absl::StatusOr<PipelineView> view = (*target)->View();
//
// Threads: one, but for what a call says otherwise.
namespace levada::cli {

struct LogOptions {
  std::string stage;  // empty: all
  bool follow = false;
  int tail = -1;                              // newest lines of each worker; -1: all
  std::optional<std::chrono::seconds> since;  // no older ones
};

struct LogLine {
  std::string stage;
  std::string worker;     // the pod's name; empty where a stage has one worker
  std::string_view text;  // as the worker wrote it
};

// The Kafka of a pipeline, and its manifest, defaults applied.
struct OnKafka {
  v1::Pipeline pipeline;
  kafka::ClientConfig config;
};

class Target {
 public:
  virtual ~Target() = default;

  // "the run on this machine (process 4711)", "cluster kind-levada, namespace shop"
  virtual std::string Where() const = 0;
  virtual absl::StatusOr<PipelineView> View() = 0;

  // Says what was done; `stage` empty: the whole pipeline. kUnimplemented: not here.
  virtual absl::StatusOr<std::string> SetPaused(bool paused, const std::string& stage) = 0;

  // Lines as they are found, each worker's in their order; with `follow` until `stop`. `each` may
  // be called from several threads, one at a time.
  virtual absl::Status Logs(const LogOptions& options,
                            const std::function<void(const LogLine&)>& each,
                            std::stop_token stop) = 0;

  // `brokers` empty: those that the pipeline has.
  virtual absl::StatusOr<OnKafka> Kafka(const std::string& brokers) = 0;
};

}  // namespace levada::cli
