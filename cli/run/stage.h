#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/run/process.h"
#include "cli/run/status.h"
#include "core/base/backoff.h"
#include "core/pipeline/plan.h"

// One stage of a local run: its process, started again with backoff when it dies, and what it says
// of itself.
//
// Threads: one.
namespace levada::cli {

struct RunOptions {
  std::string state_dir;
  std::string files_dir;
  std::string data_dir;
  std::string secrets_dir;
  std::string programs_dir;
  std::string brokers;
  std::string listen = "127.0.0.1";  // of the ports that the manifest names
};

class RunningStage {
 public:
  RunningStage(pipeline::PlannedStage plan, const RunOptions& options);

  // Writes the slice and starts the process.
  absl::Status Start();
  // Notices its end, starts it again when its time has come, and asks for its status. An error:
  // starting it again cannot help (exit code 2).
  absl::Status Tick();
  void Drain();  // SIGTERM
  // Waits for the end, killing it after `timeout`. False if it had to be killed or failed.
  bool WaitForEnd(std::chrono::milliseconds timeout);

  const pipeline::PlannedStage& plan() const { return plan_; }
  // Numbers since the run began, over restarts. `answers`: the process told them just now.
  v1::StageStatus Total() const;
  bool answers() const { return answers_; }
  bool running() const { return process_.running(); }
  bool paused() const { return paused_; }
  // It was told to end, and did.
  bool drained() const { return draining_ && !process_.running(); }
  int restarts() const { return restarts_; }
  // Why it ended the last time; empty if it never did.
  const std::string& last_end() const { return last_end_; }
  const std::string& log_file() const { return log_file_; }

 private:
  absl::Status Spawn();
  absl::Status Ended(const Process::Exit& exit);
  void KeepCounters();
  // What the process said of itself at its end, where it could.
  void ReadLastStatus();
  void AskStatus();
  // The last lines of the log, for an error message.
  std::string LogTail() const;

  const pipeline::PlannedStage plan_;
  const RunOptions& options_;
  const std::string slice_file_;
  const std::string port_file_;
  const std::string log_file_;
  std::string program_;
  Process process_;
  std::unique_ptr<StatusClient> client_;
  v1::StageStatus latest_;   // of the process that runs
  v1::StageStatus earlier_;  // summed up, of those before it
  bool answers_ = false;
  bool new_ = true;      // the process has not answered yet
  bool paused_ = false;  // asked to be, by `levada pause`: so is the process that comes after it
  bool draining_ = false;
  int restarts_ = 0;
  std::string last_end_;
  base::Backoff backoff_;
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point start_at_;
};

}  // namespace levada::cli
