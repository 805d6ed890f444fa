#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// The pipelines that `levada run` runs on this machine, for the commands that ask about them.
//
//   Registration registration(FolderOfRuns());
//   registration.Put(record);                         // `levada run`: at its start, and on changes
//   for (const RunRecord& run : ListRuns(FolderOfRuns())) ...
//
// A file a run, <namespace>.<pipeline>.<pid>.json, in a folder of the user. It is taken away when
// the run ends in order; what a killed one leaves is told apart by its process (`alive`) and goes
// when the next run uses the same state folder, or with that folder. Its logs can be read till
// then.
//
// Threads: one.
namespace levada::cli {

struct RunRecord {
  std::string pipeline;
  std::string name_space;
  pid_t pid = 0;
  uint64_t start_ticks = 0;  // of the process: a number that is used again is another one's
  std::string started;       // RFC 3339
  // As given to `levada run`; folders are absolute.
  std::string state_dir;
  std::string files_dir;
  std::string secrets_dir;  // empty: the environment
  std::string brokers;

  struct Stage {
    std::string name;
    std::string kind;  // "scoring"
    int restarts = 0;
    std::string last_end;  // why its worker ended the last time; empty: it never did
  };
  std::vector<Stage> stages;

  bool alive = false;  // by ListRuns

  // Files of the state folder.
  std::string manifest_file() const { return state_dir + "/_pipeline.yaml"; }
  std::string ports_file(const std::string& stage) const {
    return state_dir + "/" + stage + ".ports.json";
  }
  std::string log_file(const std::string& stage) const { return state_dir + "/" + stage + ".log"; }
};

// $XDG_RUNTIME_DIR/levada, else /tmp/levada-<user id>.
std::string FolderOfRuns();

// When the process began, in ticks since the machine did; 0: it does not run.
uint64_t StartTicksOf(pid_t pid);

class Registration {
 public:
  explicit Registration(std::string folder) : folder_(std::move(folder)) {}
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration();  // takes the file away

  // Writes the record, with this process as the run's; removes what others left that used the same
  // state folder. kUnavailable, kPermissionDenied: the folder cannot be used.
  absl::Status Put(RunRecord record);

 private:
  const std::string folder_;
  std::string file_;
};

// By namespace, name and pid. Files that cannot be read are passed over.
std::vector<RunRecord> ListRuns(const std::string& folder);

}  // namespace levada::cli
