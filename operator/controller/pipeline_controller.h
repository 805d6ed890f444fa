#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "operator/controller/check.h"
#include "operator/controller/cluster.h"
#include "operator/controller/kafka_state.h"
#include "operator/controller/metrics.h"
#include "operator/controller/workers.h"
#include "operator/kube/client.h"
#include "operator/kube/events.h"
#include "operator/kube/work_queue.h"
#include "operator/render/settings.h"

// Makes the cluster as the Pipelines say: looks at one pipeline at a time, compares what is with
// what is wanted, writes the difference and the status. Everything it knows can be read from the
// API server and from Kafka again, so it may be ended at any point.
//
//   PipelineController controller(client, kafka, metrics, {.settings = settings});
//   controller.Start();       // returns at once
//   ...
//   controller.Stop();        // finishes the looks that are under way
//
// A pipeline that fails is looked at again, later each time, and delays no other.
//
// Threads: Start and Stop from one thread; Health from any.
namespace levada::controller {

class PipelineController {
 public:
  struct Options {
    render::Settings settings;
    std::string name_space;  // empty: all
    std::string identity;    // of this process, in events
    int workers = 4;
    // Each pipeline is looked at this often although nothing changed.
    std::chrono::milliseconds resync{std::chrono::minutes(30)};
    // How often the API server is asked whether it has got to know Prometheus' operator.
    std::chrono::milliseconds discover{std::chrono::minutes(5)};
    Workers::Options workers_asked;
    kube::Clock* clock = &kube::RealClock();
  };

  // `client`, `kafka` and `metrics` must live longer.
  PipelineController(kube::Client& client, KafkaState& kafka, Metrics& metrics, Options options);
  ~PipelineController();  // stops

  void Start();
  void Stop();

  // OK where it does its work or waits for its turn; else why not.
  absl::Status Health() const;

 private:
  struct Running;

  kube::Client& client_;
  KafkaState& kafka_;
  Metrics& metrics_;
  const Options options_;
  mutable std::mutex mutex_;  // of running_
  std::unique_ptr<Running> running_;
};

}  // namespace levada::controller
