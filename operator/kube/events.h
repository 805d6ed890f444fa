#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "operator/kube/client.h"

// Tells people what happens to an object: `kubectl describe`, `kubectl events`.
//
//   EventRecorder events(client, {.controller = "levada.dev/operator", .instance = pod_name});
//   events.Normal(pipeline, "ScaledUp", "Scale", "stage detect: 2 -> 4 replicas (lag 120,000)");
//   events.Warning(pipeline, "KafkaAway", "Reconcile", "broker:9092 does not answer");
//
// What is said again within six minutes (same object, type, reason, action and note) becomes one
// event with a series, which is written at most every half minute: keep numbers that change all the
// time out of the note. An object may cause `burst` events and one more each `refill` after that;
// more are dropped and counted. Events are written in the background and never delay their author;
// while the server is away they wait for two minutes, then they are lost.
//
// Threads: any.
namespace levada::kube {

class EventRecorder {
 public:
  struct Options {
    std::string controller;  // "levada.dev/operator"
    std::string instance;    // the pod
    size_t max_waiting = 1000;
    int burst = 25;
    std::chrono::milliseconds refill{60'000};
    std::chrono::milliseconds series_window{360'000};
    std::chrono::milliseconds series_period{30'000};
    Clock* clock = &RealClock();
    Probe* probe = &NoProbe();
  };

  // `client` must live longer.
  EventRecorder(Client& client, Options options);
  ~EventRecorder();  // writes what waits, for at most five seconds

  // `regarding`: an object with apiVersion, kind and metadata. `reason`: why, CamelCase, at most
  // 128 bytes. `action`: what was done or tried, CamelCase. `note`: for people; cut at 1024 bytes.
  void Normal(const Json& regarding, std::string_view reason, std::string_view action,
              std::string_view note);
  void Warning(const Json& regarding, std::string_view reason, std::string_view action,
               std::string_view note);

  // False if what waits was not written within `limit`.
  bool Flush(std::chrono::milliseconds limit);

 private:
  class Writer;
  std::unique_ptr<Writer> writer_;
};

}  // namespace levada::kube
