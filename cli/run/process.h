#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

// A child process that ends when this one does.
//
// Threads: one. Start must be called from the thread that lives as long as the program: the child
// is told of that thread's end.
namespace levada::cli {

class Process {
 public:
  Process() = default;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();  // kills it

  // Standard output and error are appended to `log_file`; standard input is empty.
  absl::Status Start(const std::vector<std::string>& command, const std::string& log_file);
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // What became of it, once it has ended.
  struct Exit {
    int code = 0;    // exit code, or -1
    int signal = 0;  // that ended it, or 0
    std::string ToString() const;
  };
  std::optional<Exit> Poll();
  // Waits up to `timeout` for the end.
  std::optional<Exit> Wait(std::chrono::milliseconds timeout);

 private:
  pid_t pid_ = -1;
};

}  // namespace levada::cli
