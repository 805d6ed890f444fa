#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "operator/controller/cluster.h"
#include "operator/controller/turns.h"
#include "operator/kube/client.h"
#include "operator/kube/clock.h"
#include "operator/render/tests.h"

// The tests of a pipeline (operator/render/tests.h) as they stand in the cluster: what came of
// their Job, and what its pods say.
//
//   const Gate::Seen seen = gate.At(pipeline, plan, settings, facts);
//   if (seen.tests.hold) ...
//
// Not all run at once (turns.h): one whose turn it is not waits, without a Job.
//
// Their pods are asked for only while they do not run, and once when they have failed: nobody
// follows them.
//
// Threads: any; one call a pipeline at a time.
namespace levada::controller {

class Gate {
 public:
  struct Seen {
    render::Tests tests;
    // What keeps the tests from running, or what the failed ones said last; empty: nothing is
    // known.
    std::string said;
    std::optional<kube::Clock::Duration> again;  // look again after so long at the latest
  };

  Gate(kube::Client& client, const Cluster& cluster, kube::Clock& clock)
      : client_(client), cluster_(cluster), clock_(clock) {}

  Seen At(const kube::Json& pipeline, const pipeline::Plan& plan, const render::Settings& settings,
          const render::Facts& facts);
  void Forget(const kube::ObjectKey& pipeline);

 private:
  struct Said {
    std::string job_uid;
    std::string text;
    bool last = false;  // the Job has ended
  };

  // Takes a turn for a Job that is to be made, or gives it back.
  void TakeTurn(const kube::ObjectKey& pipeline, int64_t now_micros, Seen* seen);
  // The Jobs that an operator before this one has left running. Once.
  void BeginTurns(int64_t now_micros);
  bool HasEnded(const kube::ObjectKey& pipeline, const Turns::Turn& turn) const;
  std::string SaidBy(const kube::Json& pipeline, const render::Tests& tests);

  kube::Client& client_;
  const Cluster& cluster_;
  kube::Clock& clock_;
  std::mutex mutex_;
  std::map<kube::ObjectKey, Said> said_;
  Turns turns_;
  bool begun_ = false;
};

}  // namespace levada::controller
