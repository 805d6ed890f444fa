#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/run/stage.h"

// What a local run shows: a table of its stages.
//
// Threads: pure functions but for Rates, which remembers the last call.
namespace levada::cli {

using Stages = std::vector<std::unique_ptr<RunningStage>>;

// Records a second since the last call, by stage.
class Rates {
 public:
  std::vector<double> Update(const Stages& stages);

 private:
  std::vector<uint64_t> before_;
  std::chrono::steady_clock::time_point at_;
};

// The table, without a line break at its end; lines are cut at `width` characters (0: not).
std::string RenderTable(const Stages& stages, const std::vector<double>& rates, int width);
// One JSON object on one line.
std::string RenderJson(const Stages& stages, const std::vector<double>& rates, bool final);

}  // namespace levada::cli
