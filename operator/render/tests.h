#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/pipeline/plan.h"
#include "operator/kube/object.h"
#include "operator/render/settings.h"

// The tests that a pipeline carries (`spec.tests`): where there are any, nothing of it is rolled
// before they have passed, for the very slices, files and image that would be rolled.
//
//   const Tests tests = DecideTests(plan, live, settings, facts, jobs, now_micros);
//   if (tests.hold) return Write(tests.objects);   // what runs stays as it is
//
// They run in a Job (`levada test`) that has a name of its own for each content: a change of what
// is tested makes another one, and the old one is a leftover. The Job is kept as long as it is
// wanted, and with the pipeline's status (`testsJob`: the one that has passed for what runs) it is
// the memory of the result. Who deletes one that has failed has the tests run again. One that has
// failed for a reason outside of the tests (no node, no image, out of memory) is made anew by
// itself after a while.
//
// Threads: pure functions.
namespace levada::render {

// On all that the tests of a pipeline run in, and on their pods: the pipeline's name. The pods do
// not have the labels of workers, so that nobody takes them for some.
inline constexpr std::string_view kTestsLabel = "levada.dev/tests";

struct Tests {
  enum class Outcome { kNone, kWaiting, kRunning, kPassed, kFailed };

  Outcome outcome = Outcome::kNone;  // kNone: the pipeline has no tests
  bool hold = false;                 // topics and stages are to stay as they are
  int count = 0;
  std::string job;      // its name; empty where none can be made
  std::string job_uid;  // empty where it is not there yet
  std::string why;      // they wait, or have failed, as far as the Job says so
  // When the Job is made anew; only of one that failed for a reason outside of the tests.
  std::optional<int64_t> again_micros;
  std::vector<kube::Json> objects;  // what they run in, in the order in which it is best applied
};

// The Secrets and ConfigMaps that they read: files of stages and of the tests themselves.
std::set<Input> InputsOfTests(const pipeline::Plan& plan);

// `jobs`: the Jobs that the pipeline controls. A paused pipeline is not held: none of it runs.
Tests DecideTests(const pipeline::Plan& plan, const kube::Json& live, const Settings& settings,
                  const Facts& facts, const std::vector<kube::Json>& jobs, int64_t now_micros);

}  // namespace levada::render
