#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operator/controller/check.h"
#include "operator/controller/workers.h"
#include "operator/kube/conditions.h"
#include "operator/kube/object.h"
#include "operator/render/tests.h"

// What a Pipeline's status says: status.proto, by the API conventions. Pure: the facts in, the
// status out; the times of transitions are taken over from the status before.
//
//   const Json status = StatusOf(facts, NowMicros());
//   if (kube::WouldChange(live, {{"status", status}})) client.ApplyStatus(…);
//
//   Valid        the manifest reads, checks and compiles
//   TopicsReady  every topic is as the plan wants it
//   TestsPassed  its tests have passed for what is to be rolled; only where it has any
//   StagesReady  every stage has all its replicas, of the newest slice, ready
//   Ready        all of them, for the newest generation
//   Degraded     something runs, but not all of it or not the newest manifest
//
// Threads: pure functions.
namespace levada::controller {

struct StageFacts {
  std::string name;
  std::string kind;
  std::string slice_hash;
  int replicas = 0;                  // wanted
  std::vector<std::string> missing;  // Secrets and ConfigMaps without which no pod starts
  kube::Json deployment;             // as the cluster has it; null where there is none yet
  int64_t lag = -1;                  // -1: not known
  double events_per_second = -1;
  Reported reported;       // by its workers
  kube::Json autoscaling;  // status.stages[].autoscaling; null without autoscaling
};

struct Facts {
  const kube::Json* pipeline = nullptr;  // the live object, with its status so far
  const Checked* checked = nullptr;
  // What went wrong when the wanted objects were written; empty if nothing did.
  std::string write_error;
  render::Tests tests;
  std::string tests_said;  // by those that failed, or why they do not run
  std::vector<StageFacts> stages;
  kube::Json topics = kube::Json::array();  // rows
  kube::Condition topics_ready;             // type, status, reason, message
};

// How one stage is, from its Deployment.
struct StageState {
  bool ready = false;
  bool stuck = false;   // the rollout has stopped by itself
  bool waits = false;   // for something that `message` names
  std::string message;  // empty where ready
};
StageState StateOf(const StageFacts& stage);

// Of a pipeline that has tests (tests_passed.cc).
kube::Condition TestsPassedOf(const Facts& facts);
// What tests have failed, or why they have not come to an end.
std::string FailureOf(const Facts& facts);

// StagesReady's message where all are: "1 stage runs".
std::string StagesRun(size_t stages);

kube::Json StatusOf(const Facts& facts, int64_t now_micros);

// When the same facts give another status: an error is no longer told. nullopt: never.
std::optional<int64_t> NextChangeOf(const Facts& facts, int64_t now_micros);

// Of a pipeline that is being deleted: as it was, and what the deletion waits for.
kube::Json StatusOfEnding(const kube::Json& pipeline, std::string_view waits_for,
                          int64_t now_micros);

}  // namespace levada::controller
