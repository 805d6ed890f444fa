// The condition TestsPassed.

#include "core/base/strings.h"
#include "operator/controller/status.h"

namespace levada::controller {
namespace {

using kube::Condition;
using kube::Json;
using Outcome = render::Tests::Outcome;

std::string_view ReasonOf(const render::Tests& tests) {
  switch (tests.outcome) {
    case Outcome::kNone:
      return "NoTests";
    case Outcome::kWaiting:
      return "TestsWaiting";
    case Outcome::kRunning:
      return "TestsRunning";
    case Outcome::kPassed:
      return "TestsPassed";
    case Outcome::kFailed:
      return "TestsFailed";
  }
  return "";
}

// What the status says of the same Job already. It is the memory of what its pods have said: they
// may be gone, and this process may be new.
std::string KnownFailureOf(const Facts& facts) {
  const Json* known = kube::Find(*facts.pipeline, {"status", "conditions"});
  const Json* before = known == nullptr ? nullptr : kube::FindCondition(*known, "TestsPassed");
  if (before == nullptr || kube::TextAt(*before, {"reason"}) != "TestsFailed") return "";
  const std::string message = kube::TextAt(*before, {"message"});
  return message.find(facts.tests.job) == std::string::npos ? "" : message;
}

std::string FailedMessageOf(const Facts& facts) {
  const render::Tests& tests = facts.tests;
  if (facts.tests_said.empty() && !tests.job_uid.empty()) {
    if (std::string known = KnownFailureOf(facts); !known.empty()) return known;
  }
  std::string message = base::StrCat(
      FailureOf(facts), tests.hold ? ". Nothing is rolled, and what ran before goes on; " : "; ");
  if (tests.job_uid.empty()) return message + "mend the manifest";
  base::StrAppend(&message, "`kubectl logs job/", tests.job, "` or `levada test FILE` show more. ");
  if (tests.again_micros) {
    base::StrAppend(&message, "They are run again at ", kube::ToTime(*tests.again_micros),
                    ", or once that Job is deleted");
  } else {
    base::StrAppend(&message, "Mend the pipeline, or delete that Job to have them run again");
  }
  return message;
}

}  // namespace

std::string FailureOf(const Facts& facts) {
  const render::Tests& tests = facts.tests;
  if (facts.tests_said.empty()) return tests.why;
  // What failed tests say is why; of what is outside of them it is only the end of it.
  return tests.again_micros ? base::StrCat(tests.why, ": ", facts.tests_said) : facts.tests_said;
}

Condition TestsPassedOf(const Facts& facts) {
  const render::Tests& tests = facts.tests;
  Condition condition{
      .type = "TestsPassed", .status = "Unknown", .reason = std::string(ReasonOf(tests))};
  const std::string_view held = tests.hold ? ". Until they have passed, nothing is rolled" : "";
  const std::string count = base::StrCat(tests.count, tests.count == 1 ? " test" : " tests");
  switch (tests.outcome) {
    case Outcome::kPassed:
      condition.status = "True";
      condition.message = base::StrCat(count, " passed, in Job ", tests.job);
      break;
    case Outcome::kFailed:
      condition.status = "False";
      condition.message = FailedMessageOf(facts);
      break;
    case Outcome::kRunning:
      condition.message =
          base::StrCat(count, tests.count == 1 ? " runs" : " run", " in Job ", tests.job,
                       facts.tests_said.empty() ? "" : ", which waits: ", facts.tests_said, held);
      break;
    default:
      condition.message = base::StrCat(tests.why, held);
  }
  return condition;
}

}  // namespace levada::controller
