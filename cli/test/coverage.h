#pragma once

#include <cstdint>
#include <string>
#include <vector>

// What tests have reached: the steps of stages, their rules, and the topics that they write.
//
// Thread-safety: plain values, pure functions.
namespace levada::cli {

struct CoverageItem {
  std::string name;  // "step 2 (rules)", "rule certain", "output to results"
  uint64_t events = 0;
};

struct StageCoverage {
  std::string stage;
  std::vector<CoverageItem> items;
};

struct CoverageCount {
  size_t covered = 0;
  size_t all = 0;
};
CoverageCount Count(const std::vector<StageCoverage>& stages);

// A line a stage, and below it what no test has reached:
//
//   detect   9 of 10 steps and rules
//     not reached: rule doubtful of step 4 (rules)
std::string CoverageText(const std::vector<StageCoverage>& stages, bool colour);

}  // namespace levada::cli
