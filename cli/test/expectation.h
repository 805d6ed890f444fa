#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/test/runner.h"
#include "cli/test/test_bed.h"
#include "levada/v1/pipeline.pb.h"

// What a test expects of a stage against what the stage has done; what is not so is appended to
// `failures`.
//
// Thread-safety: pure functions.
namespace levada::cli {

// `records`: those that are expected, from the manifest or a file.
void CheckExpectation(const v1::Pipeline& pipeline, const v1::TestExpectation& expected,
                      const std::vector<nlohmann::json>& records, const TestBed& bed,
                      std::vector<Failure>* failures);

// Each dead letter of the stage is a failure.
void CheckNoneBuried(const std::string& stage, const TestBed& bed, std::vector<Failure>* failures);

}  // namespace levada::cli
