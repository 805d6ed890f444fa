#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/test/test_bed.h"
#include "levada/v1/pipeline.pb.h"

// Runs one test: gives what comes in, then looks at what came of it.
//
//   TestResult result = RunTest(pipeline, test, files, *bed);
//   if (!result.passed()) std::cout << result.failures[0].what;
//
// Thread-safety: as TestBed.
namespace levada::cli {

// Something that is not as expected.
struct Failure {
  std::string what;  // "stage detect, record 2 of 3:"
  // Details: what was expected begins with "- ", what there is with "+ ".
  std::vector<std::string> lines;
};

struct TestResult {
  std::string name;
  std::vector<Failure> failures;
  std::string error;  // the test could not be run to its end
  std::chrono::microseconds took{0};

  bool passed() const { return failures.empty() && error.empty(); }
};

// `pipeline` has its defaults; `files`: folder of the manifest's files.
TestResult RunTest(const v1::Pipeline& pipeline, const v1::Test& test, const std::string& files,
                   TestBed& bed);

}  // namespace levada::cli
