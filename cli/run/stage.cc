#include "cli/run/stage.h"

#include <google/protobuf/util/json_util.h>
#include <signal.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/programs.h"
#include "core/base/hash.h"
#include "core/base/strings.h"

namespace levada::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr int kWrongManifest = 2;
constexpr size_t kTailLines = 5;

// Sums the counts and, where `to` has none of its own, takes over the latencies.
void AddCounters(const v1::StageStatus& from, v1::StageStatus* to) {
  to->set_records_in(to->records_in() + from.records_in());
  to->set_bytes_in(to->bytes_in() + from.bytes_in());
  to->set_records_out(to->records_out() + from.records_out());
  to->set_bytes_out(to->bytes_out() + from.bytes_out());
  to->set_records_filtered(to->records_filtered() + from.records_filtered());
  to->set_dead_letters(to->dead_letters() + from.dead_letters());
  to->set_late_events(to->late_events() + from.late_events());
  to->set_errors(to->errors() + from.errors());
  if (to->uptime_s() > 0 || from.uptime_s() == 0) return;
  to->set_uptime_s(from.uptime_s());
  to->set_latency_p50_ms(from.latency_p50_ms());
  to->set_latency_p99_ms(from.latency_p99_ms());
}

}  // namespace

RunningStage::RunningStage(pipeline::PlannedStage plan, const RunOptions& options)
    : plan_(std::move(plan)),
      options_(options),
      slice_file_(base::StrCat(options.state_dir, "/", plan_.name, ".yaml")),
      port_file_(base::StrCat(options.state_dir, "/", plan_.name, ".ports.json")),
      log_file_(base::StrCat(options.state_dir, "/", plan_.name, ".log")),
      backoff_(milliseconds(200), milliseconds(15'000)) {}

absl::Status RunningStage::Start() {
  absl::StatusOr<std::string> program = FindProgram(plan_.service, options_.programs_dir);
  if (!program.ok()) return program.status();
  program_ = *program;
  std::ofstream slice(slice_file_);
  slice << plan_.slice_yaml;
  slice.close();
  if (!slice) return absl::UnavailableError(base::StrCat("cannot write ", slice_file_));
  std::error_code ignored;
  std::filesystem::remove(log_file_, ignored);
  return Spawn();
}

absl::Status RunningStage::Spawn() {
  std::error_code ignored;
  std::filesystem::remove(port_file_, ignored);
  client_.reset();
  answers_ = false;
  new_ = true;
  latest_.Clear();
  started_ = Clock::now();
  // The same over restarts, so that a stage gets its partitions back without waiting for the group
  // to notice its end; another for each state folder.
  const std::string instance = base::StrCat(
      "local-", base::HashBytes(std::filesystem::absolute(options_.state_dir).string()) % 1'000'000,
      "-", plan_.name);
  std::vector<std::string> command = {
      program_,   "--pipeline", slice_file_,        "--stage",  plan_.name,        "--instance",
      instance,   "--files",    options_.files_dir, "--data",   options_.data_dir, "--port-file",
      port_file_, "--kafka",    options_.brokers,   "--listen", options_.listen,   "--log-format",
      "json"};
  if (!options_.secrets_dir.empty()) {
    command.insert(command.end(), {"--secrets", options_.secrets_dir});
  }
  command.insert(command.end(), {"--state", base::StrCat(options_.state_dir, "/", plan_.name)});
  return process_.Start(command, log_file_);
}

absl::Status RunningStage::Tick() {
  if (auto exit = process_.Poll()) return Ended(*exit);
  if (!process_.running()) {
    if (draining_ || Clock::now() < start_at_) return absl::OkStatus();
    ++restarts_;
    return Spawn();
  }
  if (Clock::now() - started_ > seconds(60)) backoff_.Reset();
  AskStatus();
  return absl::OkStatus();
}

absl::Status RunningStage::Ended(const Process::Exit& exit) {
  KeepCounters();
  if (draining_) return absl::OkStatus();
  last_end_ = exit.ToString();
  if (exit.code == kWrongManifest) {
    return absl::InvalidArgumentError(
        base::StrCat("stage ", plan_.name, " cannot run:\n", LogTail()));
  }
  start_at_ = Clock::now() + backoff_.Next();
  return absl::OkStatus();
}

void RunningStage::ReadLastStatus() {
  std::ifstream in(port_file_);
  const auto file = nlohmann::json::parse(in, nullptr, false);
  if (!file.is_object() || !file.contains("last")) return;
  v1::StageStatus last;
  if (google::protobuf::util::JsonStringToMessage(file["last"].dump(), &last).ok()) {
    latest_ = std::move(last);
  }
}

void RunningStage::KeepCounters() {
  ReadLastStatus();
  // The last process's latencies say more than those of the ones before it.
  if (latest_.uptime_s() > 0) earlier_.set_uptime_s(0);
  AddCounters(latest_, &earlier_);
  latest_.Clear();
  answers_ = false;
}

void RunningStage::AskStatus() {
  if (client_ == nullptr) {
    std::ifstream in(port_file_);
    const auto ports = nlohmann::json::parse(in, nullptr, false);
    if (!ports.is_object() || !ports.contains("grpc")) return;
    client_ = StatusClient::Connect(ports["grpc"].get<std::string>());
  }
  const auto status = client_->Get();
  answers_ = status.has_value();
  if (!status) return;
  latest_ = *status;
  if (std::exchange(new_, false) && paused_) {
    client_->SetPaused(true);
  } else if (latest_.state() == v1::StageStatus::PAUSED) {
    paused_ = true;
  } else if (latest_.state() == v1::StageStatus::RUNNING) {
    paused_ = false;
  }
}

void RunningStage::Drain() {
  if (process_.running() && !draining_) AskStatus();
  draining_ = true;
  process_.Signal(SIGTERM);
}

bool RunningStage::WaitForEnd(milliseconds timeout) {
  const auto until = Clock::now() + timeout;
  while (process_.running()) {
    if (auto exit = process_.Wait(milliseconds(50))) {
      KeepCounters();
      return exit->code == 0;
    }
    AskStatus();
    if (Clock::now() < until) continue;
    process_.Signal(SIGKILL);
    process_.Wait(seconds(5));
    return false;
  }
  return true;
}

v1::StageStatus RunningStage::Total() const {
  v1::StageStatus total = latest_;
  AddCounters(earlier_, &total);
  return total;
}

std::string RunningStage::LogTail() const {
  std::ifstream in(log_file_);
  std::deque<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (lines.size() > kTailLines) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) base::StrAppend(&text, "  ", line, "\n");
  return text;
}

}  // namespace levada::cli
