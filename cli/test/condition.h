#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "cli/test/test_bed.h"
#include "core/base/arena.h"
#include "core/expr/program.h"
#include "levada/v1/pipeline.pb.h"

namespace levada::cli {

// A condition of a test over records that a stage has written. `topic`: what is declared of them;
// may be null.
//
//   auto condition = Condition::Compile("score > 900", topic);
//   absl::StatusOr<bool> holds = condition->Holds(record);
//
// Threads: one.
class Condition {
 public:
  static absl::StatusOr<Condition> Compile(const std::string& source, const v1::Topic* topic);

  // InvalidArgument where it is neither true nor false.
  absl::StatusOr<bool> Holds(const TestRecord& record) const;

 private:
  Condition(expr::Env env, expr::Program program)
      : env_(std::move(env)), program_(std::move(program)) {}

  expr::Env env_;
  expr::Program program_;
};

}  // namespace levada::cli
