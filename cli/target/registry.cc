#include "cli/target/registry.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tuple>

#include "core/base/strings.h"

namespace levada::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json ToJson(const RunRecord& run) {
  Json stages = Json::array();
  for (const RunRecord::Stage& stage : run.stages) {
    stages.push_back({{"name", stage.name},
                      {"kind", stage.kind},
                      {"restarts", stage.restarts},
                      {"last_end", stage.last_end}});
  }
  return {{"pipeline", run.pipeline},
          {"namespace", run.name_space},
          {"pid", run.pid},
          {"start_ticks", run.start_ticks},
          {"started", run.started},
          {"state_dir", run.state_dir},
          {"files_dir", run.files_dir},
          {"secrets_dir", run.secrets_dir},
          {"brokers", run.brokers},
          {"stages", std::move(stages)}};
}

// Throws where a value is of another type.
RunRecord FromJson(const Json& json) {
  RunRecord run;
  run.pipeline = json.at("pipeline");
  run.name_space = json.at("namespace");
  run.pid = json.at("pid");
  run.start_ticks = json.at("start_ticks");
  run.started = json.at("started");
  run.state_dir = json.at("state_dir");
  run.files_dir = json.at("files_dir");
  run.secrets_dir = json.at("secrets_dir");
  run.brokers = json.at("brokers");
  for (const Json& stage : json.at("stages")) {
    run.stages.push_back({.name = stage.at("name"),
                          .kind = stage.at("kind"),
                          .restarts = stage.at("restarts"),
                          .last_end = stage.at("last_end")});
  }
  return run;
}

// A folder in /tmp could be made by somebody else first.
absl::Status MakeOwnFolder(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::UnavailableError(base::StrCat("cannot make ", folder, ": ", strerror(errno)));
  }
  struct stat found {};
  if (lstat(folder.c_str(), &found) != 0 || !S_ISDIR(found.st_mode) || found.st_uid != geteuid()) {
    return absl::PermissionDeniedError(base::StrCat(folder, " is not this user's folder"));
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, RunRecord>> ReadAll(const std::string& folder) {
  std::vector<std::pair<std::string, RunRecord>> runs;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream in(entry.path());
    const Json json = Json::parse(in, nullptr, false);
    try {
      runs.emplace_back(entry.path().string(), FromJson(json));
    } catch (const Json::exception&) {  // another version wrote it, or somebody is writing it
    }
  }
  return runs;
}

}  // namespace

std::string FolderOfRuns() {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/') return base::StrCat(runtime, "/levada");
  return base::StrCat("/tmp/levada-", geteuid());
}

uint64_t StartTicksOf(pid_t pid) {
  std::ifstream in(base::StrCat("/proc/", pid, "/stat"));
  std::string text;
  std::getline(in, text);
  // The name in brackets may have spaces and brackets itself; behind it is field 3, the state.
  const size_t name_end = text.rfind(") ");
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 2));
  std::string field;
  fields >> field;
  if (field == "Z" || field == "X") return 0;  // ended; its parent has not looked yet
  for (int number = 4; number <= 22; ++number) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

Registration::~Registration() {
  if (!file_.empty()) unlink(file_.c_str());
}

absl::Status Registration::Put(RunRecord record) {
  if (absl::Status made = MakeOwnFolder(folder_); !made.ok()) return made;
  record.pid = getpid();
  record.start_ticks = StartTicksOf(record.pid);
  const std::string file =
      base::StrCat(folder_, "/", record.name_space, ".", record.pipeline, ".", record.pid, ".json");
  if (file_.empty()) {
    std::error_code ignored;
    for (const auto& [other, run] : ReadAll(folder_)) {
      const bool gone = StartTicksOf(run.pid) != run.start_ticks;
      if (gone && (run.state_dir == record.state_dir || !fs::exists(run.state_dir, ignored))) {
        unlink(other.c_str());
      }
    }
  }
  const std::string draft = file + ".new";
  {
    std::ofstream out(draft);
    out << ToJson(record).dump(2) << '\n';
    out.close();
    if (!out || rename(draft.c_str(), file.c_str()) != 0) {
      return absl::UnavailableError(base::StrCat("cannot write ", file));
    }
  }
  file_ = file;
  return absl::OkStatus();
}

std::vector<RunRecord> ListRuns(const std::string& folder) {
  std::vector<RunRecord> runs;
  std::error_code ignored;
  for (auto& [file, run] : ReadAll(folder)) {
    run.alive = run.start_ticks != 0 && StartTicksOf(run.pid) == run.start_ticks;
    if (!run.alive && !fs::exists(run.state_dir, ignored)) continue;
    runs.push_back(std::move(run));
  }
  std::sort(runs.begin(), runs.end(), [](const RunRecord& a, const RunRecord& b) {
    return std::tie(a.name_space, a.pipeline, a.pid) < std::tie(b.name_space, b.pipeline, b.pid);
  });
  return runs;
}

}  // namespace levada::cli
