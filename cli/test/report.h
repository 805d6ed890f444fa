#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/test/coverage.h"
#include "cli/test/runner.h"

// What is told of tests, to people and to programs.
//
// Thread-safety: plain values, pure functions.
namespace levada::cli {

// The tests of one pipeline.
struct Suite {
  std::string file;
  std::string pipeline;
  std::vector<TestResult> tests;
  std::vector<StageCoverage> coverage;  // of all these tests
  std::string error;                    // they could not be run
  std::chrono::microseconds took{0};

  size_t Failed() const;
  bool passed() const { return error.empty() && Failed() == 0; }
};

struct ReportStyle {
  bool colour = false;
  bool verbose = false;   // tests that passed too
  bool coverage = false;  // what was not reached
};

// A line for the pipeline, then what failed and why.
std::string SuiteText(const Suite& suite, const ReportStyle& style);
// "12 passed, 1 failed in 3 pipelines (0.4 s)"
std::string SummaryText(const std::vector<Suite>& suites, std::chrono::microseconds took,
                        const ReportStyle& style);

// What failed in a few lines, for a place that has room for no more; empty where nothing did:
//
//   1 of 7 tests failed: large orders are looked at (stage score: record 1 of 2 differs)
std::string FailedText(const std::vector<Suite>& suites);

// The failures as plain text.
std::string FailureText(const TestResult& result);

// JUnit's XML, as CI systems read it: a test suite a pipeline.
std::string JunitXml(const std::vector<Suite>& suites);

}  // namespace levada::cli
